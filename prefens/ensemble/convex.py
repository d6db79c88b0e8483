"""Weights on the simplex that minimise log loss: a convex problem, solved with a certificate."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from prefens.ensemble.base import WeightedBlender
from prefens.errors import BlendError
from prefens.evaluation.metrics import CLIP
from prefens.records import Floats, OOFStack

CERTIFICATE = 1e-6  # bounds how far, in nats, the fitted log loss is above the optimum
TARGET = 1e-9  # what the solver aims at
ITERATIONS = 100


class LogLossWeights(WeightedBlender):
    """The weights with the lowest log loss on the fitted rows."""

    name = "log_loss"

    def _fit(self, stack: OOFStack) -> None:
        true_class = np.clip(stack.true_class(), CLIP, 1.0)
        self.weights = minimise_log_loss(true_class)
        gap = certificate(true_class, self.weights)
        if not gap <= CERTIFICATE:
            raise BlendError(
                f"weights whose log loss may be {gap:.1e} nats above the optimum",
                f"at most {CERTIFICATE:g}",
                "report this as a bug",
            )


def certificate(true_class: Floats, weights: Floats) -> float:
    """Return max_m mean(q_m / mixture) - 1, which bounds the distance of the log loss to its minimum, in nats.

    It is the Frank-Wolfe gap of the concave mean log likelihood over the simplex (Jaggi 2013, section 2), zero
    exactly at the optimum. `true_class` is (M, n), `weights` (M,).
    """
    return float((true_class @ (1.0 / (weights @ true_class))).max() / true_class.shape[1] - 1.0)


def minimise_log_loss(true_class: Floats) -> Floats:
    """Return the (M,) weights on the simplex that minimise -mean(log(w . q)) for (M, n) probabilities q > 0.

    The sum constraint is moved into the objective, -mean(log(w . q)) + sum(w), whose minimum over w >= 0 sums
    to 1; each Newton step is a non-negative least squares problem (Kim, Carbonetto, Stephens & Anitescu 2020,
    "A fast algorithm for maximum likelihood estimation of mixture proportions using sequential quadratic
    programming", sections 2.2 and 3).
    """
    members, rows = true_class.shape
    weights = np.full(members, 1.0 / members)
    for _ in range(ITERATIONS):
        ratio = true_class / (weights @ true_class)  # (M, n)
        gradient = 1.0 - ratio.mean(axis=1)
        if -gradient.min() <= TARGET:
            break
        curvature = ratio @ ratio.T / rows
        curvature[np.diag_indices(members)] += (
            1e-10 * np.trace(curvature) / members
        )  # for members that agree everywhere
        factor = cholesky(curvature)
        goal = solve_triangular(factor, curvature @ weights - gradient, trans="T")
        step = nnls(factor, goal)[0] - weights
        weights = _line_search(true_class, weights, step, float(gradient @ step))
    normalised: Floats = weights / weights.sum()
    return normalised


def _line_search(true_class: Floats, weights: Floats, step: Floats, slope: float) -> Floats:
    """Halve the step until the objective falls by a share of what the slope promises (Armijo)."""

    def objective(point: Floats) -> float:
        mixture = point @ true_class
        return float(np.inf if mixture.min() <= 0 else -np.log(mixture).mean() + point.sum())

    start, size = objective(weights), 1.0
    while size > 1e-10:
        point = weights + size * step
        if objective(point) <= start + 1e-4 * size * slope + 1e-15:
            return np.clip(point, 0.0, None)
        size /= 2.0
    return weights
