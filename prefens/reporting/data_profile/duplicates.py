"""Rows that are not independent of others: shared prompts, repeated pairs, contradictory votes."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import SWAP, Pairs, Strings

Mask = NDArray[np.bool_]


def group_sizes(group: Strings) -> NDArray[np.int64]:
    """Return (n,) how many rows share each row's prompt group, itself included."""
    _, place, sizes = np.unique(group.astype(str), return_inverse=True, return_counts=True)
    shared: NDArray[np.int64] = sizes[place]
    return shared


def leaked_rows(group: Strings, k: int) -> float:
    """Return how many rows plain stratified folds would leak: those whose prompt lands in another fold too.

    A row with g - 1 others of its prompt is spared with probability k ** -(g - 1), if rows fall into k equal folds at
    random; stratification by label changes little of that.
    """
    spared = np.power(float(k), 1.0 - group_sizes(group))
    return float((1.0 - spared).sum())


def leaked_by(group: Strings, fold: NDArray[np.int8]) -> Mask:
    """Return (n,) True for rows whose prompt is also in another fold of this assignment."""
    _, place = np.unique(group.astype(str), return_inverse=True)
    lowest, highest = np.full(place.max() + 1, 127), np.full(place.max() + 1, -128)
    np.minimum.at(lowest, place, fold)
    np.maximum.at(highest, place, fold)
    split: Mask = (lowest != highest)[place]
    return split


def find_repeats(pairs: Pairs) -> dict[str, Mask]:
    """Return name -> (n,) True for rows whose very texts are met again, and for those with contradictory votes."""
    rows: dict[tuple[object, ...], list[int]] = defaultdict(list)
    turned = np.zeros(len(pairs), dtype=bool)
    for row, (prompt, a, b) in enumerate(zip(pairs.prompt, pairs.response_a, pairs.response_b, strict=True)):
        turned[row] = b < a
        rows[(prompt, b, a) if b < a else (prompt, a, b)].append(row)
    names = ("the same pair again", "the same pair in the other order", "contradictory votes on the same pair")
    same, other, contradictory = found = [np.zeros(len(pairs), dtype=bool) for _ in names]
    for several in (np.array(each) for each in rows.values() if len(each) > 1):
        orders = Counter(turned[several].tolist())
        same[several] = [orders[way] > 1 for way in turned[several].tolist()]
        other[several] = len(orders) > 1
        if pairs.label is not None:
            label = pairs.label[several].astype(np.int64)
            contradictory[several] = len(set(np.where(turned[several], SWAP[label], label).tolist())) > 1
    return dict(zip(names, found, strict=True))
