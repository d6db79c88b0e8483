"""The class prior: what is known of a pair before it is read, where heads start and what collapsed ones end at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prefens.records import SWAP, Floats, Outcome


def class_prior(label: NDArray[np.int8], symmetric: bool) -> Floats:
    """Return the (3,) shares of the outcomes among labels ((n,)); where `symmetric`, both sides win as often.

    Each outcome is counted once more than it was seen (Laplace's rule of succession), so that none is impossible.
    """
    counts = np.bincount(label, minlength=len(Outcome)) + 1.0
    if symmetric:
        counts = (counts + counts[SWAP]) / 2.0
    shares: Floats = counts / counts.sum()
    return shares
