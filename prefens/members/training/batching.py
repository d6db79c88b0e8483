"""Which pairs go through the model together: random steps, cut into micro-batches by their real tokens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import Ints


def steps_per_epoch(count: int, batch_pairs: int) -> int:
    """Return how many optimizer steps a pass over `count` rows takes, at least 1."""
    return max(1, round(count / batch_pairs))


def steps(count: int, batch_pairs: int, epochs: int, seed: int, min_steps: int = 0) -> list[Ints]:
    """Return the rows of each optimizer step; every epoch holds each of `count` rows once, in random order.

    Steps of one epoch differ in size by at most one row, so that no step is a tiny remainder. There are more epochs
    where `epochs` of them have fewer than `min_steps` steps.
    """
    generator = np.random.default_rng(seed)
    per_epoch = steps_per_epoch(count, batch_pairs)
    passes = max(epochs, -(-min_steps // per_epoch))
    return [step for _ in range(passes) for step in np.array_split(generator.permutation(count), per_epoch)]


def micro_batches(rows: Ints, lengths: NDArray[np.int64], token_budget: int) -> Iterator[Ints]:
    """Yield `rows` cut into groups of similar length, longest first, whose real tokens fit into `token_budget`.

    `lengths` ((n,)) is the tokens of each pair's two sequences together. A pair that is larger than the budget goes
    alone. Encoders that need padding get it in groups of similar length, which adds a third at most
    (`modeling.encoding`).
    """
    ordered = rows[np.argsort(lengths[rows], kind="stable")[::-1]]
    ends = np.cumsum(lengths[ordered])
    start, before = 0, 0
    while start < len(ordered):
        stop = max(start + 1, int(np.searchsorted(ends, before + token_budget, side="right")))
        yield ordered[start:stop]
        start, before = stop, int(ends[stop - 1])
