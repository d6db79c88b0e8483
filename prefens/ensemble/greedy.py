"""Greedy ensemble selection with replacement, bagged over members."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prefens.core.errors import ConfigError
from prefens.core.metrics import p_true
from prefens.core.types import Floats, Ints, OOFStack
from prefens.ensemble.base import WeightedBlender

GROUP = 16  # rows whose probabilities are multiplied before the logarithm: 1e-15 ** 16 is still a float64


@dataclass
class GreedySelection(WeightedBlender):
    """How often forward selection took each member, from Caruana, Niculescu-Mizil, Crew & Ksikes 2004.

    "Ensemble selection from libraries of models", sections 2.1 (with replacement) and 2.3 (bagging). The members of
    a bag are drawn by name, so that their order changes nothing.

    Parameters
    ----------
    rounds : members taken by each bag, 1 or more; the best of its prefixes counts.
    bags : how many selections are averaged, 1 or more.
    share : of the members, in (0, 1], that a bag may choose from, though at least `least` of them.
    seed : of the draws.
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
                f"rounds={self.rounds}, bags={self.bags}, share={self.share}, least={self.least}",
                "counts of 1 or more, a share in (0, 1], a seed of 0 or more",
                "correct them",
            )

    def _fit(self, stack: OOFStack) -> None:
        happened = p_true(stack.probabilities, stack.folds.label)
        order = np.array(sorted(range(self._members), key=lambda place: stack.members[place].name), dtype=np.int64)
        size = min(self._members, max(self.least, round(self.share * self._members)))
        generator = np.random.default_rng(self.seed)
        bags = 1 if size == self._members else self.bags
        total = np.zeros(self._members)
        for _ in range(bags):
            bag = np.sort(generator.permutation(self._members)[:size])
            total += _select(happened, order[bag], self.rounds)
        self.weights = total / bags


def _select(happened: Floats, bag: Ints, rounds: int) -> Floats:
    """Return the (M,) shares of the best prefix of a selection from the members `bag`, for (M, n) `happened`."""
    members, rows = happened.shape
    width = -(-rows // GROUP) * GROUP
    padded = np.ones((len(bag), width))  # every member is as good as the others on the rows that fill the last group
    padded[:, :rows] = happened[bag]
    total, taken = np.zeros(width), np.zeros(members)
    best, lowest = taken, np.inf
    for count in range(1, rounds + 1):
        gains = [float(np.log((total + row).reshape(GROUP, -1).prod(axis=0)).sum()) for row in padded]
        chosen = int(np.argmax(gains))
        total = total + padded[chosen]
        taken = taken.copy()
        taken[bag[chosen]] += 1
        loss = width * np.log(count) - gains[chosen]
        if loss < lowest - 1e-12:
            best, lowest = taken / count, loss
    return best
