"""Weights on the simplex that minimise log loss, optionally shrunk toward equal weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from prefens.core import metrics
from prefens.core.errors import ConfigError
from prefens.core.types import Floats, OOFStack
from prefens.ensemble.base import WeightedBlender, read_number
from prefens.ensemble.simplex_solver import minimize_log_loss


@dataclass
class LogLossWeights(WeightedBlender):
    """Average the members with the weights on the simplex that minimise log loss on the fitted rows.

    This is stacking of predictive distributions with the logarithmic score (Yao, Vehtari, Simpson & Gelman 2018, "Using
    stacking to average Bayesian predictive distributions", section 3). The problem is convex, and `minimize_log_loss`
    proves how close to its optimum a solution is.

    Parameters
    ----------
    shrinkage : list of float, in nats, each 0 or more
        Strengths of the L2 penalty toward equal weights. Of several, the one with the lowest log loss across the
        folds of the fitted rows is taken, or the largest where there is a single fold. [0] does not shrink.

    Attributes
    ----------
    chosen_shrinkage : float
        The strength that was taken, in nats.

    Raises
    ------
    ConfigError
        If `shrinkage` is empty, or holds a strength that is negative or not finite.
    """

    shrinkage: list[float] = field(default_factory=lambda: [0.0])

    name = "log_loss"

    def __post_init__(self) -> None:
        if not self.shrinkage or not all(0 <= strength < np.inf for strength in self.shrinkage):
            raise ConfigError(
                f"shrinkage={list(self.shrinkage)}", "one strength or more, none negative", "set shrinkage=[0], say"
            )

    def _fit(self, stack: OOFStack) -> None:
        p_true = metrics.p_true(stack.probabilities, stack.folds.label)
        self.chosen_shrinkage = choose_shrinkage(p_true, stack.folds.fold, self.shrinkage)
        self.weights = minimize_log_loss(p_true, shrinkage=self.chosen_shrinkage)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "pull": self.chosen_shrinkage}  # the key that every blend.json has

    def load_state(self, state: dict[str, Any]) -> Self:
        self.chosen_shrinkage = read_number(state, "pull")
        return super().load_state(state)


def choose_shrinkage(p_true: Floats, fold: NDArray[np.int8], strengths: Sequence[float]) -> float:
    """Return the strength of shrinkage with the lowest cross-fitted log loss.

    Parameters
    ----------
    p_true : ndarray of shape (M, n)
        Probability that each member gave to the true outcome of each row, in (0, 1].
    fold : ndarray of shape (n,)
        Fold of each row.
    strengths : sequence of float
        Candidates, in nats.

    Returns
    -------
    float
        One of `strengths`; the largest where there is a single fold.
    """
    numbers = np.unique(fold)
    if len(strengths) == 1 or len(numbers) < 2:
        return float(max(strengths))

    def loss(strength: float) -> float:
        total = 0.0
        for index in numbers:
            weights = minimize_log_loss(p_true[:, fold != index], shrinkage=strength)
            total -= float(np.log(weights @ p_true[:, fold == index]).sum())
        return total

    return float(min(strengths, key=loss))
