"""Averaging a recipe's seeds first, and then the recipes."""

from __future__ import annotations

from collections import Counter

import numpy as np

from prefens.core.types import OOFStack
from prefens.ensemble.base import WeightedBlender


class SeedAverage(WeightedBlender):
    """Every recipe weighs the same, however many seeds of it there are; nothing is fitted.

    A member whose recipe is not known (made elsewhere) is a recipe of its own.
    """

    name = "seed_average"

    def _fit(self, stack: OOFStack) -> None:
        recipes = [info.recipe or info.name for info in stack.members]
        seeds = Counter(recipes)
        self.weights = np.array([1.0 / (len(seeds) * seeds[recipe]) for recipe in recipes])
