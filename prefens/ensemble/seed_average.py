"""Seed averaging: the mean over each recipe's seeds, then the mean over recipes."""

from __future__ import annotations

from collections import Counter

import numpy as np

from prefens.core.types import OOFStack
from prefens.ensemble.base import WeightedBlender


class SeedAverage(WeightedBlender):
    """Give every recipe the same weight, however many seeds of it there are.

    An external member, whose recipe is not known, counts as a recipe of its own. Nothing is fitted to the labels.
    Averaging over seeds is the deep ensemble of Lakshminarayanan, Pritzel & Blundell 2017, "Simple and scalable
    predictive uncertainty estimation using deep ensembles", section 2.4.
    """

    name = "seed_average"

    def _fit(self, stack: OOFStack) -> None:
        recipes = [info.recipe or info.name for info in stack.members]
        seeds = Counter(recipes)
        self.weights = np.array([1.0 / (len(seeds) * seeds[recipe]) for recipe in recipes])
