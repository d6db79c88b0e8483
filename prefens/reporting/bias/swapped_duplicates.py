"""Swapped duplicates: pairs that were judged in both orders, and so show position bias without any assumption."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from prefens.core.metrics import swap_outcomes
from prefens.core.types import Floats, Ints, Outcome, Pairs


def find_swapped_duplicates(pairs: Pairs) -> Ints:
    """Return each row's swapped duplicate: the row that shows the same pair in the other order.

    Rows that repeat a pair in the same order are matched first with first, second with second.

    Parameters
    ----------
    pairs : Pairs
        n pairs.

    Returns
    -------
    duplicates : ndarray of int64, shape (n,)
        The other row; -1 for rows without one, and for pairs of identical responses.
    """
    unmatched: dict[tuple[object, ...], list[int]] = defaultdict(list)
    duplicates = np.full(len(pairs), -1, dtype=np.int64)
    for row, (prompt, a, b) in enumerate(zip(pairs.prompt, pairs.response_a, pairs.response_b, strict=True)):
        others = unmatched.get((prompt, b, a))
        if a != b and others:
            duplicates[row] = others.pop(0)
            duplicates[duplicates[row]] = row
        elif a != b:
            unmatched[prompt, a, b].append(row)
    return duplicates


def change_under_swap(probabilities: Floats, duplicates: Ints) -> Floats:
    """Return by how much probabilities change when A and B change places.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, K)
        Predictions, or one-hot votes.
    duplicates : ndarray of int64, shape (n,)
        As `find_swapped_duplicates` returns them.

    Returns
    -------
    change : ndarray of float, shape (m,), in [0, 1]
        Total variation distances, for the m rows with a duplicate; for votes 1 where the verdict changes.
    """
    rows = np.flatnonzero(duplicates >= 0)
    swapped = swap_outcomes(probabilities[duplicates[rows]])
    change: Floats = np.abs(probabilities[rows] - swapped).sum(axis=1) / 2.0
    return change


def swapped_verdicts(votes: Floats, duplicates: Ints) -> dict[str, Floats]:
    """Return how the votes of both orders of a pair go together.

    Parameters
    ----------
    votes : ndarray of float, shape (n, K)
        One-hot votes.
    duplicates : ndarray of int64, shape (n,)
        As `find_swapped_duplicates` returns them.

    Returns
    -------
    verdicts : dict from str to ndarray of float, shape (m,)
        Exclusive cases, four or without ties three: 1 for the rows with a duplicate that are one, 0 for the others.
    """
    rows = np.flatnonzero(duplicates >= 0)
    one, other = votes[rows], votes[duplicates[rows]]
    a, b = Outcome.A_WINS, Outcome.B_WINS
    same = (one * swap_outcomes(other)).sum(axis=1)
    first, second = one[:, a] * other[:, a], one[:, b] * other[:, b]
    verdicts = {"the same verdict": same, "the first shown both times": first, "the second shown both times": second}
    return verdicts if votes.shape[1] == 2 else verdicts | {"a tie in one order only": 1.0 - same - first - second}
