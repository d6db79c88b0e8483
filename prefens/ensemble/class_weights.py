"""A weight per member for wins, and one for ties."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prefens.core import metrics
from prefens.core.metrics import CLIP
from prefens.core.types import Floats, OOFStack, Outcome, PairFeatures, outcomes
from prefens.ensemble.base import BLOCK_ROWS, Blender, check_weights
from prefens.ensemble.simplex_solver import minimize_log_loss

LEAST_GAIN = 1e-8  # nats: a step that gains less is the last
MOST_STEPS = 200


class ClassWeights(Blender):
    """p(win) proportional to the sum of u_m p_m(win), p(tie) to that of v_m p_m(tie), rows normalized.

    A and B share their weights, so the rule is swap-symmetric. With two outcomes it is `LogLossWeights`.

    The log loss is not convex in (u, v), so there is no certificate. From the best simplex weights it falls step by
    step: log Z <= log Z0 + Z / Z0 - 1 bounds it from above by a convex function (Hunter & Lange 2004, "A tutorial on
    MM algorithms", section 3). This bound splits into a simplex problem for the wins and one for the ties.

    Attributes
    ----------
    wins : ndarray of shape (M,)
        Fitted weights u of the wins, zero or more; sum(wins) + sum(ties) = 2.
    ties : ndarray of shape (M,)
        Fitted weights v of the ties, zero or more.
    """

    name = "class_weights"
    FITTED = ("wins", "ties")
    wins: Floats
    ties: Floats

    def _fit(self, stack: OOFStack) -> None:
        p_true = metrics.p_true(stack.probabilities, stack.folds.label)
        is_tie = stack.folds.label == Outcome.TIE
        self.wins = minimize_log_loss(p_true)
        if self._n_outcomes == 2:
            self.wins, self.ties = 2.0 * self.wins, np.zeros_like(self.wins)
            return
        self.ties = self.wins.copy()
        won, tied = _Rows(p_true[:, ~is_tie], len(is_tie)), _Rows(p_true[:, is_tie], len(is_tie))
        del p_true
        previous = np.inf
        for _ in range(MOST_STEPS):
            win_cost, tie_cost, log_normalizer = self._normalizer(stack.probabilities)
            loss = log_normalizer + won.loss(self.wins) + tied.loss(self.ties)
            if loss > previous - LEAST_GAIN:
                break
            previous = loss
            self.wins, self.ties = won.step(self.wins, win_cost), tied.step(self.ties, tie_cost)
        total = self.wins.sum() + self.ties.sum()
        self.wins, self.ties = 2.0 * self.wins / total, 2.0 * self.ties / total

    def _normalizer(self, probabilities: Floats) -> tuple[Floats, Floats, float]:
        """Return the (M,) means of p(win) / Z and p(tie) / Z, and the mean of log Z, over the rows."""
        win, tie, log_normalizer = np.zeros(self._n_members), np.zeros(self._n_members), 0.0
        rows = probabilities.shape[1]
        for start in range(0, rows, BLOCK_ROWS):
            tied = np.clip(probabilities[:, start : start + BLOCK_ROWS, Outcome.TIE], CLIP, 1.0, dtype=np.float64)
            # Not sum(wins) + (ties - wins) @ tied, which cancels to nothing where every member is sure of a tie.
            normalizer = np.maximum(self.wins @ (1.0 - tied) + self.ties @ tied, CLIP)
            log_normalizer += float(np.log(normalizer).sum())
            tie += tied @ (1.0 / normalizer)
            win += (1.0 / normalizer).sum()
        return (win - tie) / rows, tie / rows, log_normalizer / rows

    def _predict(self, probabilities: Floats, features: PairFeatures | None) -> Floats:
        weights = {Outcome.A_WINS: self.wins, Outcome.B_WINS: self.wins, Outcome.TIE: self.ties}
        clipped = np.clip(probabilities, CLIP, 1.0)
        sums = np.column_stack([weights[outcome] @ clipped[:, :, outcome] for outcome in outcomes(clipped.shape[2])])
        normalized: Floats = sums / sums.sum(axis=1, keepdims=True)
        return normalized

    def _check_values(self) -> None:
        check_weights("wins", self.wins)
        check_weights("ties", self.ties)
        check_weights("wins and ties", np.concatenate([self.wins, self.ties]), 2.0)

    @property
    def used(self) -> NDArray[np.bool_]:
        return np.greater(self.wins + self.ties, 0)


class _Rows:
    """The rows that ended in a win, or those that ended in a tie.

    Their (M, n) probabilities are kept divided by the (M,) costs of the latest step, in place of a second copy.
    """

    def __init__(self, p_true: Floats, all_rows: int) -> None:
        self.values, self.all_rows = p_true, all_rows
        self.scale = np.ones((len(p_true), 1))

    def loss(self, weights: Floats) -> float:
        """Return the sum of -log(w . p) over these rows, divided by the number of all rows."""
        return -float(np.log((weights * self.scale[:, 0]) @ self.values).sum()) / self.all_rows

    def step(self, weights: Floats, cost: Floats) -> Floats:
        """Return the (M,) weights that minimise `loss` + cost . w; unchanged where there are no rows."""
        if not self.values.shape[1]:
            return weights
        scale = np.maximum(cost, CLIP)[:, None]
        self.values *= self.scale / scale
        self.scale = scale
        on_simplex = minimize_log_loss(self.values, start=weights * scale[:, 0])
        new_weights: Floats = on_simplex * (self.values.shape[1] / self.all_rows) / scale[:, 0]
        return new_weights
