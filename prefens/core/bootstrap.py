"""The bootstrap over prompt groups: rows that share a prompt are drawn together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prefens.core.types import Floats, Ints, Strings

RESAMPLES_AT_ONCE = 16  # bounds the memory


@dataclass(frozen=True, eq=False)
class GroupBootstrap:
    """Resamples of whole groups, with replacement (Davison & Hinkley 1997, section 3.8).

    Equal groups and seeds give equal resamples.

    Attributes
    ----------
    group : array of str, shape (n,)
        The prompt group of each row.
    resamples : int
        How many resamples are drawn, at least 1.
    seed : int
        The seed of the draws.
    """

    group: Strings
    resamples: int = 1000
    seed: int = 0

    @cached_property
    def group_index(self) -> Ints:
        """The index of each row's group, (n,) in [0, G)."""
        return np.unique(self.group.astype(str), return_inverse=True)[1]

    def draws(self) -> Iterator[Floats]:
        """Yield how often each group is drawn: (b, G) float64 for b resamples at a time."""
        generator = np.random.default_rng(self.seed)
        groups = int(self.group_index.max()) + 1
        for first in range(0, self.resamples, RESAMPLES_AT_ONCE):
            size = min(RESAMPLES_AT_ONCE, self.resamples - first)
            choices = generator.integers(0, groups, size=(size, groups), dtype=np.int32)
            choices += (np.arange(size, dtype=np.int32) * groups)[:, None]
            yield np.bincount(choices.ravel(), minlength=size * groups).reshape(size, groups).astype(np.float64)

    def row_counts(self) -> Iterator[Floats]:
        """Yield, for each resample, how often each row is drawn: (n,) float64, scaled to mean 1."""
        for chunk in self.draws():
            for group_counts in chunk:
                counts = group_counts[self.group_index]
                yield counts / counts.mean()

    def means(self, values: Floats) -> Floats:
        """Return the means of values over the rows of each resample.

        Parameters
        ----------
        values : array, shape (V, n)
            V values of each row.

        Returns
        -------
        array, shape (resamples, V)
        """
        sums = np.stack([np.bincount(self.group_index, weights=row) for row in values], axis=1)  # (G, V)
        sizes = np.bincount(self.group_index).astype(np.float64)
        return np.concatenate([(counts @ sums) / (counts @ sizes)[:, None] for counts in self.draws()])

    def intervals(self, values: Floats, level: float = 0.95) -> Floats:
        """Return percentile intervals of the means of values: (V, 2) for values (V, n)."""
        return interval(self.means(values), level)


def interval(draws: Floats, level: float = 0.95) -> Floats:
    """Return the percentile interval of each column: (V, 2) for draws (resamples, V), (2,) for draws (resamples,)."""
    tail = (1.0 - level) / 2.0
    bounds: Floats = np.quantile(draws, [tail, 1.0 - tail], axis=0).T
    return bounds
