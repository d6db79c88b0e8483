"""Greedy ensemble selection with replacement, bagged over members."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prefens.core import metrics
from prefens.core.errors import ConfigError
from prefens.core.types import Floats, Ints, OOFStack
from prefens.ensemble.base import WeightedBlender

ROWS_PER_PRODUCT = 16  # rows multiplied before one logarithm is taken: 1e-15 ** 16 is still a float64


@dataclass
class GreedySelection(WeightedBlender):
    """Weight each member by how often forward selection takes it.

    Caruana, Niculescu-Mizil, Crew & Ksikes 2004, "Ensemble selection from libraries of models", sections 2.1 (with
    replacement) and 2.3 (bagging). The members of a bag are drawn in the order of their names, so that the order in
    which they are given changes nothing.

    Parameters
    ----------
    rounds : int, 1 or more
        Members that each bag takes; the prefix of this selection with the lowest log loss counts.
    bags : int, 1 or more
        Selections that are averaged.
    share : float in (0, 1]
        Share of the members that a bag may choose from.
    least : int, 1 or more
        Members that a bag may choose from, at least.
    seed : int, 0 or more
        Seed of the draws.

    Raises
    ------
    ConfigError
        If a setting is out of its range.
    """

    rounds: int = 50
    bags: int = 10
    share: float = 0.5
    least: int = 8
    seed: int = 0

    name = "greedy"

    def __post_init__(self) -> None:
        if min(self.rounds, self.bags, self.least) < 1 or not 0 < self.share <= 1 or self.seed < 0:
            raise ConfigError(
                f"rounds={self.rounds}, bags={self.bags}, share={self.share}, least={self.least}, seed={self.seed}",
                "counts of 1 or more, a share in (0, 1], a seed of 0 or more",
                "correct them",
            )

    def _fit(self, stack: OOFStack) -> None:
        p_true = metrics.p_true(stack.probabilities, stack.folds.label)
        by_name = np.array(sorted(range(self._n_members), key=lambda place: stack.members[place].name), dtype=np.int64)
        size = min(self._n_members, max(self.least, round(self.share * self._n_members)))
        generator = np.random.default_rng(self.seed)
        bags = 1 if size == self._n_members else self.bags
        total = np.zeros(self._n_members)
        for _ in range(bags):
            bag = np.sort(generator.permutation(self._n_members)[:size])
            total += _select(p_true, by_name[bag], self.rounds)
        self.weights = total / bags


def _select(p_true: Floats, bag: Ints, rounds: int) -> Floats:
    """Return the (M,) shares of the best prefix of a selection from the members `bag`, for (M, n) `p_true`."""
    members, rows = p_true.shape
    width = -(-rows // ROWS_PER_PRODUCT) * ROWS_PER_PRODUCT
    padded = np.ones((len(bag), width))  # every member is as good as the others on the rows that fill the last product
    padded[:, :rows] = p_true[bag]
    total, counts = np.zeros(width), np.zeros(members)
    best, lowest = counts, np.inf
    for size in range(1, rounds + 1):
        scores = [float(np.log((total + row).reshape(ROWS_PER_PRODUCT, -1).prod(axis=0)).sum()) for row in padded]
        chosen = int(np.argmax(scores))
        total = total + padded[chosen]
        counts = counts.copy()
        counts[bag[chosen]] += 1
        loss = width * np.log(size) - scores[chosen]
        if loss < lowest - 1e-12:
            best, lowest = counts / size, loss
    return best
