"""The class prior: what is known of a pair before it is read, where heads start and what collapsed ones end at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prefens.core.metrics import outcome_counts
from prefens.core.types import SWAP, Floats, n_outcomes


def class_prior(label: NDArray[np.int8], symmetric: bool, smoothing: float = 0.0) -> Floats:
    """Return the (K,) shares of the outcomes among labels ((n,)); where `symmetric`, both sides win as often.

    Each outcome is counted once more than it was seen (Laplace's rule of succession), so that none is impossible.
    Label `smoothing` in [0, 1) mixes the shares with equal ones, as it does what a training is told.
    """
    counts = outcome_counts(label, n_outcomes(label)) + 1.0
    if symmetric:
        counts = (counts + counts[SWAP]) / 2.0
    shares: Floats = (1.0 - smoothing) * counts / counts.sum() + smoothing / len(counts)
    return shares
