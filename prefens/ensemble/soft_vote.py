"""Soft voting: the plain mean of the members' probabilities."""

import numpy as np

from prefens.core.types import OOFStack
from prefens.ensemble.base import WeightedBlender


class SoftVote(WeightedBlender):
    """Give every member the same weight (Stone 1961, "The opinion pool").

    Nothing is fitted, so the fitted score and the honest score agree.
    """

    name = "soft_vote"

    def _fit(self, stack: OOFStack) -> None:
        self.weights = np.full(self._n_members, 1.0 / self._n_members)
