"""Strengths of models from paired comparisons: Bradley-Terry and Davidson, fitted by Newton's method.

With d = strength of A - strength of B + style effects, the log odds of A over B:

bradley_terry  P(A wins) = 1 / (1 + exp(-d)), and a tie is half a win of each side (Bradley & Terry, Rank analysis of
               incomplete block designs, Biometrika 39, 1952; ties as in the arena's leaderboard).
davidson       A wins, B wins and tie have probabilities proportional to exp(d / 2), exp(-d / 2) and nu (R. R. Davidson,
               On extending the Bradley-Terry model to accommodate ties, JASA 65(329), 1970, section 2).

The likelihood of a target that is no vote but a prediction is the expected one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.linalg import solve
from scipy.special import expit, log_expit, log_softmax

from prefens.core.errors import BlendError
from prefens.core.types import Floats, Outcome
from prefens.ensemble.ratings.comparisons import Comparisons

RIDGE = 1e-9  # of the mean log loss: strengths stay finite in a resample where a model wins all
NEWTON_STEPS = 100
TOLERANCE, ACCEPTED = 1e-11, 1e-7  # largest entry of the gradient of the mean log loss: aimed at, and accepted


class Kind(Enum):
    """A model of paired comparisons."""

    BRADLEY_TERRY = "bradley_terry"
    DAVIDSON = "davidson"


@dataclass(frozen=True, eq=False)
class PairedFit:
    """Fitted parameters, in natural log odds.

    Attributes
    ----------
    kind : Kind
        The model.
    point : array, shape (M + p,) or (M + p + 1,)
        M strengths, which sum to 0, then p style effects, then Davidson's log nu.
    """

    kind: Kind
    point: Floats


class PairedModel:
    """The log loss of a model of paired comparisons, and its minimum.

    Parameters
    ----------
    kind : Kind
        The model.
    comparisons : Comparisons
        What is fitted; rows that differ in no input are summed.
    """

    def __init__(self, kind: Kind, comparisons: Comparisons) -> None:
        self.kind, self.comparisons = kind, comparisons
        self.n_models = len(comparisons.models)

    @cached_property
    def _cells(self) -> tuple[sparse.csr_array, sparse.csr_array]:
        """The inputs of c cells of equal rows, (c, P), and the matrix (c, n) that sums rows to cells."""
        comparisons, n = self.comparisons, len(self.comparisons)
        first, cell = np.arange(n), np.arange(n)
        if not comparisons.style.shape[1]:
            key = comparisons.a * self.n_models + comparisons.b
            _, first, cell = np.unique(key, return_index=True, return_inverse=True)
        sums = sparse.csr_array((np.ones(n), (cell, np.arange(n))), (len(first), n))
        return comparisons.design[first], sums

    def fit(
        self, weights: Floats | None = None, start: Floats | None = None, tolerance: float = TOLERANCE
    ) -> PairedFit:
        """Return the parameters with the lowest mean log loss.

        Parameters
        ----------
        weights : array, shape (n,), or None
            How often each row counts; None for once.
        start : array like `PairedFit.point`, or None
            Where to begin.
        tolerance : float, at most 1e-7
            Largest entry of the gradient of the mean log loss.

        Raises
        ------
        BlendError
            Where the gradient does not vanish.
        """
        design, sums = self._cells
        target = self.comparisons.target if weights is None else self.comparisons.target * weights[:, None]
        cells = sums @ target
        cells /= cells.sum()
        size = design.shape[1] + (self.kind is Kind.DAVIDSON)
        point = np.zeros(size) if start is None else start.copy()
        value, gradient, curvature = self._derivatives(point, design, cells)
        for _ in range(NEWTON_STEPS):
            if np.abs(gradient).max() <= tolerance:
                break
            step, length = solve(curvature, -gradient, assume_a="pos"), 1.0
            trial = self._derivatives(point + step, design, cells)
            while trial[0] > value + 1e-15 and length > 1e-6:
                length /= 2.0
                trial = self._derivatives(point + length * step, design, cells)
            point, (value, gradient, curvature) = point + length * step, trial
        if not np.abs(gradient).max() <= ACCEPTED:
            came = f"ratings whose gradient is {np.abs(gradient).max():.1e}"
            raise BlendError(came, f"at most {ACCEPTED:g}", "report this as a bug")
        return PairedFit(self.kind, point)

    def covariance(self, fitted: PairedFit) -> Floats:
        """Return the (P, P) sandwich covariance of the parameters, clustered by prompt group.

        Cameron & Miller, A practitioner's guide to cluster-robust inference, J. Human Resources 50(2), 2015, section
        II.B, without a factor for few clusters. Of predictions it says how the ratings vary with the prompts that were
        drawn, not how far the predictor is off.
        """
        comparisons, n = self.comparisons, len(self.comparisons)
        design, target = comparisons.design, comparisons.target / n
        slope, tie, *_ = self._slopes(fitted.point, design, target)
        inputs = sparse.csr_array(design * slope[:, None])
        if self.kind is Kind.DAVIDSON:
            inputs = sparse.csr_array(sparse.hstack([inputs, sparse.csr_array(tie[:, None])]))
        _, cluster = np.unique(comparisons.group.astype(str), return_inverse=True)
        scores = sparse.csr_array((np.ones(n), (cluster, np.arange(n)))) @ inputs
        bread = np.linalg.inv(self._derivatives(fitted.point, design, target)[2])
        covariance: Floats = bread @ (scores.T @ scores).toarray() @ bread
        return covariance

    def _slopes(
        self, point: Floats, design: sparse.csr_array, target: Floats
    ) -> tuple[Floats, Floats, Floats, Floats, Floats, float]:
        """Return the derivatives of each row's loss by d and by log nu, the second ones, and the loss."""
        weight = target.sum(axis=1)
        if self.kind is Kind.BRADLEY_TERRY:
            d = design @ point
            wins, p = target[:, Outcome.A_WINS] + target[:, Outcome.TIE] / 2.0, expit(d)
            none = np.zeros(len(d))
            loss = -float(wins @ log_expit(d) + (weight - wins) @ log_expit(-d))
            return weight * p - wins, none, weight * p * (1.0 - p), none, none, loss
        d = design @ point[:-1]
        logits = np.empty((len(d), len(Outcome)))
        logits[:, Outcome.A_WINS], logits[:, Outcome.B_WINS], logits[:, Outcome.TIE] = d / 2.0, -d / 2.0, point[-1]
        logs = log_softmax(logits, axis=1)
        a, b, tie = np.exp(logs).T
        residual = weight[:, None] * np.exp(logs) - target
        slope = (residual[:, Outcome.A_WINS] - residual[:, Outcome.B_WINS]) / 2.0
        second = weight * (a + b - (a - b) ** 2) / 4.0
        mixed = -weight * (a - b) * tie / 2.0
        return slope, residual[:, Outcome.TIE], second, mixed, weight * tie * (1.0 - tie), -float((target * logs).sum())

    def _derivatives(self, point: Floats, design: sparse.csr_array, target: Floats) -> tuple[float, Floats, Floats]:
        """Return the mean penalized log loss, its gradient and its curvature."""
        slope, tie, second, mixed, tie_second, loss = self._slopes(point, design, target)
        size, width = len(point), design.shape[1]
        gradient, curvature = np.zeros(size), np.zeros((size, size))
        gradient[:width] = design.T @ slope
        curvature[:width, :width] = (design.T @ sparse.csr_array(design * second[:, None])).toarray()
        if self.kind is Kind.DAVIDSON:
            gradient[-1], curvature[-1, -1] = tie.sum(), tie_second.sum()
            curvature[:width, -1] = curvature[-1, :width] = design.T @ mixed
        gradient += RIDGE * point
        curvature += RIDGE * np.eye(size)
        curvature[: self.n_models, : self.n_models] += 1.0 / self.n_models**2  # strengths sum to 0
        return loss + 0.5 * RIDGE * float(point @ point), gradient, curvature


def fit(kind: Kind, comparisons: Comparisons) -> PairedFit:
    """Return the fitted model of comparisons; errors as in `PairedModel.fit`."""
    return PairedModel(kind, comparisons).fit()
