"""The bootstrap over prompt groups: rows that share a prompt are drawn together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prefens.core.types import Floats, Ints, Strings

CHUNK = 16  # resamples at a time


@dataclass(frozen=True, eq=False)
class GroupBootstrap:
    """Resamples of whole groups, with replacement (Davison & Hinkley 1997, section 3.8): the same ones every time.

    Parameters
    ----------
    group : (n,) the prompt group of each row; resamples : how many, 1 or more; seed : of the draws.
    """

    group: Strings
    resamples: int = 1000
    seed: int = 0

    @cached_property
    def place(self) -> Ints:
        """(n,) the number of each row's group, in [0, G)."""
        return np.unique(self.group.astype(str), return_inverse=True)[1]

    def draws(self) -> Iterator[Floats]:
        """Yield how often each group is drawn, as (b, G) for b resamples at a time."""
        generator = np.random.default_rng(self.seed)
        groups = int(self.place.max()) + 1
        for first in range(0, self.resamples, CHUNK):
            size = min(CHUNK, self.resamples - first)
            drawn = generator.integers(0, groups, size=(size, groups), dtype=np.int32)
            drawn += (np.arange(size, dtype=np.int32) * groups)[:, None]
            yield np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups).astype(np.float64)

    def row_counts(self) -> Iterator[Floats]:
        """Yield, for each resample, how often each row is drawn, (n,), scaled to mean 1."""
        for chunk in self.draws():
            for drawn in chunk:
                counts = drawn[self.place]
                yield counts / counts.mean()

    def means(self, values: Floats) -> Floats:
        """Return (resamples, V): the mean of each of (V, n) values over the rows of each resample."""
        sums = np.stack([np.bincount(self.place, weights=row) for row in values], axis=1)  # (G, V)
        sizes = np.bincount(self.place).astype(np.float64)
        return np.concatenate([(drawn @ sums) / (drawn @ sizes)[:, None] for drawn in self.draws()])

    def intervals(self, values: Floats, level: float = 0.95) -> Floats:
        """Return (V, 2): percentile intervals of the means of (V, n) values."""
        return interval(self.means(values), level)


def interval(draws: Floats, level: float = 0.95) -> Floats:
    """Return (V, 2): the percentile interval of each column of (resamples, V) draws; (2,) for (resamples,) draws."""
    tail = (1.0 - level) / 2.0
    bounds: Floats = np.quantile(draws, [tail, 1.0 - tail], axis=0).T
    return bounds
