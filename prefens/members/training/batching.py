"""Which pairs go through the model together: random steps, cut into micro-batches by their real tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import Ints
from prefens.data.text.tokens import PairTokens


def steps_per_epoch(count: int, batch_pairs: int) -> int:
    """Return the number of optimizer steps of `batch_pairs` pairs in a pass over `count` rows, at least 1."""
    return max(1, round(count / batch_pairs))


def plan_steps(count: int, batch_pairs: int, epochs: int, seed: int, min_steps: int = 0) -> list[Ints]:
    """Return the rows of each optimizer step; every epoch holds each row once, in random order.

    Steps of one epoch differ in size by at most one row, so no step is a tiny remainder.

    Parameters
    ----------
    count : int
        The number of rows.
    batch_pairs : int
        Rows of a step, about.
    epochs : int
        Passes over the rows.
    seed : int
        Of the order.
    min_steps : int
        More epochs are added until there are as many steps.

    Returns
    -------
    list of int64 array
        Rows in [0, count), one array per step.
    """
    generator = np.random.default_rng(seed)
    per_epoch = steps_per_epoch(count, batch_pairs)
    epochs = max(epochs, -(-min_steps // per_epoch))
    return [step for _ in range(epochs) for step in np.array_split(generator.permutation(count), per_epoch)]


def content_order(tokens: PairTokens, rows: Ints) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of the two sequences of each pair comes first by its content, whichever response is called A.

    Parameters
    ----------
    tokens : PairTokens
        Of these pairs and others.
    rows : int64 array, shape (n,)
        The places of the pairs in them.

    Returns
    -------
    second : bool array, shape (n,)
        Whether it is the second one.
    identical : bool array, shape (n,)
        Whether the two are the same, so that none comes first.
    """
    digests = [
        [hashlib.sha256(np.ascontiguousarray(side[row]).data).digest() for side in (tokens.a, tokens.b)]
        for row in rows.tolist()
    ]
    second = np.array([b < a for a, b in digests], dtype=bool)
    return second, np.array([a == b for a, b in digests], dtype=bool)


def micro_batches(rows: Ints, lengths: NDArray[np.int64], token_budget: int) -> Iterator[Ints]:
    """Yield rows in groups of similar length, longest first, whose real tokens fit into a budget.

    Encoders that need padding pad within smaller groups (`nn.encoder_forward`), which adds a third at most.

    Parameters
    ----------
    rows : int64 array, shape (m,)
        Places in `lengths`.
    lengths : int64 array, shape (n,)
        The tokens of each pair's sequences together.
    token_budget : int
        Tokens of a group; a pair that has more goes alone.
    """
    ordered = rows[np.argsort(lengths[rows], kind="stable")[::-1]]
    ends = np.cumsum(lengths[ordered])
    start, tokens_before = 0, 0
    while start < len(ordered):
        stop = max(start + 1, int(np.searchsorted(ends, tokens_before + token_budget, side="right")))
        yield ordered[start:stop]
        start, tokens_before = stop, int(ends[stop - 1])
