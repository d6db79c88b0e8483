"""Rows that are not independent of others: shared prompts, repeated pairs, contradictory votes."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import SWAP, Ints, Pairs, Strings

Mask = NDArray[np.bool_]
CONTRADICTORY = "contradictory votes on the same pair"


def group_sizes(group: Strings) -> Ints:
    """Return how many rows share each row's prompt group, itself included.

    Parameters
    ----------
    group : ndarray of str, shape (n,)
        The prompt group of each row.

    Returns
    -------
    sizes : ndarray of int64, shape (n,)
        1 or more.
    """
    _, index, counts = np.unique(group.astype(str), return_inverse=True, return_counts=True)
    sizes: Ints = counts[index]
    return sizes


def expected_leaked_rows(group: Strings, k: int, kept: Strings | None = None) -> float:
    """Return how many rows random folds leak on average: a row of their group is also in another fold.

    A row whose group has g - 1 other units is not leaked with probability k ** -(g - 1), if units fall into k equal
    folds at random; stratification by label changes little of that.

    Parameters
    ----------
    group : ndarray of str, shape (n,)
        The prompt group of each row, or a cluster of several.
    k : int
        The number of folds.
    kept : ndarray of str, shape (n,), or None
        The units that folds keep together; None for rows.
    """
    units = np.arange(len(group)).astype(str) if kept is None else kept.astype(str)
    _, first = np.unique(units, return_index=True)
    names, index = np.unique(group.astype(str), return_inverse=True)
    size = np.bincount(index[first], minlength=len(names))[index]
    return float((1.0 - np.power(float(k), 1.0 - size)).sum())


def leaked_rows(group: Strings, fold: NDArray[np.integer[Any]]) -> Mask:
    """Return which rows these folds leak: their prompt is also in another fold.

    Parameters
    ----------
    group : ndarray of str, shape (n,)
        The prompt group of each row.
    fold : ndarray of int, shape (n,)
        The fold of each row.

    Returns
    -------
    leaked : ndarray of bool, shape (n,)
        True for the rows that are leaked.
    """
    _, index = np.unique(group.astype(str), return_inverse=True)
    lowest, highest = np.full(index.max() + 1, fold.max()), np.full(index.max() + 1, fold.min())
    np.minimum.at(lowest, index, fold)
    np.maximum.at(highest, index, fold)
    leaked: Mask = (lowest != highest)[index]
    return leaked


def find_repeats(pairs: Pairs) -> dict[str, Mask]:
    """Return the rows whose texts are those of another row, by kind.

    Returns
    -------
    repeats : dict from str to ndarray of bool, shape (n,)
        Rows of the same pair in the same order, in the other order, and rows of pairs with contradictory votes.
    """
    rows: dict[tuple[object, ...], list[int]] = defaultdict(list)
    is_swapped = np.zeros(len(pairs), dtype=bool)  # against the alphabetical order of the responses
    for row, (prompt, a, b) in enumerate(zip(pairs.prompt, pairs.response_a, pairs.response_b, strict=True)):
        is_swapped[row] = b < a
        rows[(prompt, b, a) if b < a else (prompt, a, b)].append(row)
    same, swapped, contradictory = (np.zeros(len(pairs), dtype=bool) for _ in range(3))
    for repeated in (np.array(each) for each in rows.values() if len(each) > 1):
        orders = Counter(is_swapped[repeated].tolist())
        same[repeated] = [orders[order] > 1 for order in is_swapped[repeated].tolist()]
        swapped[repeated] = len(orders) > 1
        if pairs.label is not None:
            label = pairs.label[repeated].astype(np.int64)
            contradictory[repeated] = len(set(np.where(is_swapped[repeated], SWAP[label], label).tolist())) > 1
    return {
        "the same pair again": same,
        "the same pair in the other order": swapped,
        CONTRADICTORY: contradictory,
    }
