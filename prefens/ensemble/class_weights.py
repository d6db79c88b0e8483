"""A weight per member for wins, and one for ties."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prefens.core.metrics import CLIP, p_true
from prefens.core.types import Floats, OOFStack, Outcome, PairFeatures
from prefens.ensemble.base import BLOCK, Blender
from prefens.ensemble.simplex_solver import minimise_log_loss

ENOUGH = 1e-8  # nats: a step that gains less is the last
STEPS = 200


class ClassWeights(Blender):
    """p(win) proportional to the sum of u_m p_m(win), p(tie) to that of v_m p_m(tie), rows renormalised.

    A and B share their weights, so the rule is swap-symmetric. The log loss is not convex in (u, v), so there is no
    certificate. From the best simplex weights it falls step by step: log Z <= log Z0 + Z / Z0 - 1 bounds it
    from above by a convex function (Hunter & Lange 2004, "A tutorial on MM algorithms", section 3), which falls
    apart into a simplex problem for the wins and one for the ties.
    """

    name = "class_weights"
    FITTED = ("wins", "ties")
    wins: Floats  # (M,), zero or more; sum(wins) + sum(ties) = 2
    ties: Floats  # (M,), zero or more

    def _fit(self, stack: OOFStack) -> None:
        happened = p_true(stack.probabilities, stack.folds.label)
        tied = stack.folds.label == Outcome.TIE
        self.wins = minimise_log_loss(happened)
        self.ties = self.wins.copy()
        parts = _Part(happened[:, ~tied], len(tied)), _Part(happened[:, tied], len(tied))
        del happened
        before = np.inf
        for _ in range(STEPS):
            win_cost, tie_cost, log_normaliser = self._normaliser(stack.probabilities)
            loss = log_normaliser + parts[0].loss(self.wins) + parts[1].loss(self.ties)
            if loss > before - ENOUGH:
                break
            before = loss
            self.wins, self.ties = parts[0].step(self.wins, win_cost), parts[1].step(self.ties, tie_cost)
        total = self.wins.sum() + self.ties.sum()
        self.wins, self.ties = 2.0 * self.wins / total, 2.0 * self.ties / total

    def _normaliser(self, probabilities: Floats) -> tuple[Floats, Floats, float]:
        """Return the (M,) means of p(win) / Z and p(tie) / Z, and the mean of log Z, over the rows."""
        win, tie, log_normaliser = np.zeros(self._members), np.zeros(self._members), 0.0
        rows = probabilities.shape[1]
        for start in range(0, rows, BLOCK):
            tied = np.clip(probabilities[:, start : start + BLOCK, Outcome.TIE], CLIP, 1.0, dtype=np.float64)
            # Not sum(wins) + (ties - wins) @ tied, which cancels to nothing where every member is sure of a tie.
            normaliser = np.maximum(self.wins @ (1.0 - tied) + self.ties @ tied, CLIP)
            log_normaliser += float(np.log(normaliser).sum())
            tie += tied @ (1.0 / normaliser)
            win += (1.0 / normaliser).sum()
        return (win - tie) / rows, tie / rows, log_normaliser / rows

    def _predict(self, probabilities: Floats, features: PairFeatures | None) -> Floats:
        per_outcome = {Outcome.A_WINS: self.wins, Outcome.B_WINS: self.wins, Outcome.TIE: self.ties}
        clipped = np.clip(probabilities, CLIP, 1.0)
        summed = np.column_stack([per_outcome[outcome] @ clipped[:, :, outcome] for outcome in Outcome])
        shared: Floats = summed / summed.sum(axis=1, keepdims=True)
        return shared

    @property
    def used(self) -> NDArray[np.bool_]:
        return np.greater(self.wins + self.ties, 0)


class _Part:
    """The rows of one kind of outcome: (M, n) probabilities, kept divided by the costs of the latest step."""

    def __init__(self, happened: Floats, rows: int) -> None:
        self.values, self.rows = happened, rows
        self.scale = np.ones((len(happened), 1))

    def loss(self, weights: Floats) -> float:
        """Return -sum(log(w . p)) over all rows' number."""
        return -float(np.log((weights * self.scale[:, 0]) @ self.values).sum()) / self.rows

    def step(self, weights: Floats, cost: Floats) -> Floats:
        """Return the (M,) weights that minimise `loss` + cost . w; unchanged where there is no such row."""
        if not self.values.shape[1]:
            return weights
        scale = np.maximum(cost, CLIP)[:, None]
        self.values *= self.scale / scale
        self.scale = scale
        on_simplex = minimise_log_loss(self.values, start=weights * scale[:, 0])
        found: Floats = on_simplex * (self.values.shape[1] / self.rows) / scale[:, 0]
        return found
