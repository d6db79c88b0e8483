"""Pairs that were judged in both orders: the one place where position shows without any assumption."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from prefens.core.types import SWAP, Floats, Ints, Outcome, Pairs


def find_mates(pairs: Pairs) -> Ints:
    """Return (n,) the row that shows the same pair in the other order, or -1.

    Rows that repeat a pair in the same order are matched first with first, second with second; what is left over, and
    pairs of identical responses, have no mate.
    """
    waiting: dict[tuple[object, ...], list[int]] = defaultdict(list)
    mates = np.full(len(pairs), -1, dtype=np.int64)
    for row, (prompt, a, b) in enumerate(zip(pairs.prompt, pairs.response_a, pairs.response_b, strict=True)):
        others = waiting.get((prompt, b, a))
        if a != b and others:
            mates[row] = others.pop(0)
            mates[mates[row]] = row
        elif a != b:
            waiting[prompt, a, b].append(row)
    return mates


def change_under_swap(probabilities: Floats, mates: Ints) -> Floats:
    """Return (m,) shares of probability, in [0, 1], that move when A and B change places, for the m rows with a mate.

    They are total variation distances; for votes 1 where the verdict changes and 0 where it stays.
    """
    rows = np.flatnonzero(mates >= 0)
    back = probabilities[mates[rows]][:, SWAP]
    moved: Floats = np.abs(probabilities[rows] - back).sum(axis=1) / 2.0
    return moved


def verdicts(votes: Floats, mates: Ints) -> dict[str, Floats]:
    """Return what becomes of each pair of (n, K) one-hot votes with a mate: name -> (m,) of 0 and 1."""
    rows = np.flatnonzero(mates >= 0)
    here, there = votes[rows], votes[mates[rows]]
    won, lost = Outcome.A_WINS, Outcome.B_WINS
    same = (here * there[:, SWAP]).sum(axis=1)
    first, second = here[:, won] * there[:, won], here[:, lost] * there[:, lost]
    return {
        "the same verdict": same,
        "the first shown both times": first,
        "the second shown both times": second,
        "a tie in one order only": 1.0 - same - first - second,
    }
