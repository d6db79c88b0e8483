"""Which pairs go through the model together: random steps, cut into micro-batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from prefens.records import Ints


def steps_per_epoch(count: int, batch_pairs: int) -> int:
    """Return how many optimiser steps a pass over `count` rows takes, at least 1."""
    return max(1, round(count / batch_pairs))


def steps(count: int, batch_pairs: int, epochs: int, seed: int, min_steps: int = 0) -> list[Ints]:
    """Return the rows of each optimiser step; every epoch holds each of `count` rows once, in random order.

    Steps of one epoch differ in size by at most one row, so that no step is a tiny remainder. There are more epochs
    where `epochs` of them have fewer than `min_steps` steps.
    """
    generator = np.random.default_rng(seed)
    per_epoch = steps_per_epoch(count, batch_pairs)
    passes = max(epochs, -(-min_steps // per_epoch))
    return [step for _ in range(passes) for step in np.array_split(generator.permutation(count), per_epoch)]


def micro_batches(rows: Ints, lengths: NDArray[np.int64], token_budget: int) -> Iterator[Ints]:
    """Yield `rows` cut into groups of similar length; two padded sequences a pair fit into `token_budget`.

    `lengths` ((n,)) is the longer of each pair's two sequences. A pair that is larger than the budget goes alone.
    """
    ordered = rows[np.argsort(lengths[rows], kind="stable")[::-1]]
    start = 0
    while start < len(ordered):
        size = max(1, token_budget // (2 * int(lengths[ordered[start]])))
        yield ordered[start : start + size]
        start += size
