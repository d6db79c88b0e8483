"""Soft voting: the plain mean of the members' probabilities."""

import numpy as np

from prefens.core.types import OOFStack
from prefens.ensemble.base import WeightedBlender


class SoftVote(WeightedBlender):
    """Equal weights; nothing is fitted, so fitted and honest scores agree."""

    name = "soft_vote"

    def _fit(self, stack: OOFStack) -> None:
        self.weights = np.full(self._members, 1.0 / self._members)
