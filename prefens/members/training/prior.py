"""The class prior of a training: what a new head predicts, and what a collapsed one returns to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prefens.core.metrics import outcome_counts, swap_outcomes
from prefens.core.types import Floats


def class_prior(label: NDArray[np.int8], n_outcomes: int, symmetric: bool, smoothing: float = 0.0) -> Floats:
    """Return the outcomes' shares among labels, smoothed so that no outcome is impossible (Laplace's rule).

    Parameters
    ----------
    label : int8 array, shape (n,)
        Outcomes of the training pairs.
    n_outcomes : int
        K, 2 or 3.
    symmetric : bool
        Whether A and B get equal shares.
    smoothing : float in [0, 1)
        Label smoothing: the weight of equal shares.

    Returns
    -------
    float64 array, shape (K,)
        Positive; sums to 1.
    """
    counts = outcome_counts(label, n_outcomes).astype(np.float64) + 1.0
    if symmetric:
        counts = (counts + swap_outcomes(counts)) / 2.0
    shares: Floats = (1.0 - smoothing) * counts / counts.sum() + smoothing / len(counts)
    return shares
