"""Putting odd and even features on comparable scales without breaking their symmetry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prefens.records import Floats

TINY = 1e-9  # below this a column is constant


@dataclass(frozen=True, eq=False)
class PairScaling:
    """Odd features are divided by their root mean square (their mean is zero by symmetry), even ones standardised."""

    odd_scale: Floats
    even_mean: Floats
    even_scale: Floats

    @staticmethod
    def fit(odd: Floats, even: Floats) -> PairScaling:
        """Measure (n, p) odd and (n, q) even features; constant columns become zero."""
        odd_scale, even_scale = np.sqrt(np.square(odd).mean(axis=0)), even.std(axis=0)
        return PairScaling(
            np.where(odd_scale > TINY, odd_scale, np.inf),
            even.mean(axis=0),
            np.where(even_scale > TINY, even_scale, np.inf),
        )

    def apply(self, odd: Floats, even: Floats) -> tuple[Floats, Floats]:
        """Return scaled features."""
        return odd / self.odd_scale, (even - self.even_mean) / self.even_scale
