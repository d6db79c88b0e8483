"""Weights on the simplex that minimise log loss, with an optional pull to equal weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import ConfigError
from prefens.core.metrics import p_true
from prefens.core.types import Floats, OOFStack
from prefens.ensemble.base import WeightedBlender
from prefens.ensemble.simplex_solver import minimise_log_loss


@dataclass
class LogLossWeights(WeightedBlender):
    """The weights with the lowest log loss on the fitted rows.

    Parameters
    ----------
    pulls : strengths, in nats, of an L2 pull to equal weights; of several, the one with the lowest log loss across
        the folds of the fitted rows is taken (the largest where there is a single fold). [0] pulls nowhere.
    """

    pulls: list[float] = field(default_factory=lambda: [0.0])

    name = "log_loss"
    FITTED = ("weights", "pull")

    def __post_init__(self) -> None:
        if not self.pulls or not all(0 <= pull < np.inf for pull in self.pulls):
            raise ConfigError(f"pulls={list(self.pulls)}", "one strength or more, none negative", "set pulls=[0], say")

    def _fit(self, stack: OOFStack) -> None:
        happened = p_true(stack.probabilities, stack.folds.label)
        self.pull = choose_pull(happened, stack.folds.fold, self.pulls)
        self.weights = minimise_log_loss(happened, pull=self.pull)


def choose_pull(happened: Floats, fold: NDArray[np.int8], pulls: Sequence[float]) -> float:
    """Return the pull with the lowest cross-fitted log loss for (M, n) `happened` and (n,) `fold`."""
    numbers = np.unique(fold)
    if len(pulls) == 1 or len(numbers) < 2:
        return float(max(pulls))

    def loss(pull: float) -> float:
        total = 0.0
        for index in numbers:
            weights = minimise_log_loss(happened[:, fold != index], pull=pull)
            total -= float(np.log(weights @ happened[:, fold == index]).sum())
        return total

    return float(min(pulls, key=loss))
