"""Log loss over the simplex of weights: a convex problem, solved with a certificate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from prefens.core.errors import BlendError
from prefens.core.types import Floats, Ints

GAP_TARGET = 1e-9  # nats above the optimum that the solver aims at
GAP_ACCEPTED = 1e-6  # nats above the optimum from which a fit is refused
MOST_ROUNDS = 60  # rounds of choosing members to work on; 5 to 10 are usual
NEWTON_STEPS = 30  # steps on the chosen members in a round
MEMBERS_PER_ROUND = 12  # members that join the chosen ones in a round
BLOCK_VALUES = 500_000  # probabilities at a time, where a float64 copy of all would double or triple the memory
SAMPLE_ROWS = 2048  # about so many rows give the first guess


class Problem:
    """Minimise mean(-c log(w . q)) + shrinkage * |w - 1/M|^2 over weights w >= 0 with sum 1.

    Parameters
    ----------
    p_true : ndarray of shape (M, n), float64 or float32
        Probability q that each member gave to the true outcome of each row, in (0, 1].
    counts : ndarray of shape (n,) or None
        How often each row counts, c, with mean 1; None for once.
    shrinkage : float, 0 or more
        Strength of the penalty toward equal weights, in nats.
    """

    def __init__(self, p_true: Floats, counts: Floats | None = None, shrinkage: float = 0.0) -> None:
        self.p_true, self.counts, self.shrinkage = p_true, counts, shrinkage
        self.members, self.rows = p_true.shape

    def gradient(self, weights: Floats) -> Floats:
        """Return the (M,) gradient at (M,) weights, in float64 without a float64 copy of the data."""
        positive = np.flatnonzero(weights)
        total = np.zeros(self.members)
        for block in self._blocks(self.members):
            values = self.p_true[:, block].astype(np.float64, copy=False)
            share = 1.0 / (weights[positive] @ values[positive])
            total += values @ (share if self.counts is None else share * self.counts[block])
        gradient: Floats = -total / self.rows + 2.0 * self.shrinkage * (weights - 1.0 / self.members)
        return gradient

    def descend(self, weights: Floats, chosen: Ints, gap: float) -> Floats:
        """Take Newton steps on some of the members until they are within `gap` nats of their own optimum.

        Parameters
        ----------
        weights : ndarray of shape (M,)
            Weights to start from.
        chosen : ndarray of shape (m,)
            Places of the members to work on.
        gap : float
            Largest Frank-Wolfe gap among the chosen members, in nats.

        Returns
        -------
        ndarray of shape (M,)
            Weights, zero but for the chosen members.
        """
        values = self.p_true[chosen].astype(np.float64, copy=False)
        point = weights[chosen]
        counts = np.ones(self.rows) if self.counts is None else self.counts
        for _ in range(NEWTON_STEPS):
            gradient, curvature = self._derivatives(values, counts, point)
            if gradient @ point - gradient.min() <= gap:
                break
            step = _newton_point(curvature, gradient, point) - point
            point = self._line_search(values, counts, point, step, float(gradient @ step))
        new_weights = np.zeros(self.members)
        new_weights[chosen] = point
        return new_weights

    def _blocks(self, members: int) -> Iterator[slice]:
        size = max(BLOCK_VALUES // members, 1)
        return (slice(start, start + size) for start in range(0, self.rows, size))

    def _derivatives(self, values: Floats, counts: Floats, point: Floats) -> tuple[Floats, Floats]:
        """Return the (m,) gradient and the (m, m) curvature at (m,) weights of the chosen members alone."""
        gradient, curvature = np.zeros(len(point)), np.zeros((len(point), len(point)))
        for block in self._blocks(len(point)):
            ratio = values[:, block] / (point @ values[:, block])
            weighted = ratio if self.counts is None else ratio * counts[block]
            gradient -= weighted.sum(axis=1)
            curvature += weighted @ ratio.T
        off_center = point - 1.0 / self.members
        return (
            gradient / self.rows + 2.0 * self.shrinkage * off_center,
            curvature / self.rows + 2.0 * self.shrinkage * np.eye(len(point)),
        )

    def _line_search(self, values: Floats, counts: Floats, point: Floats, step: Floats, slope: float) -> Floats:
        """Halve the step until the objective falls by a share of what the slope predicts (Armijo)."""

        def objective(weights: Floats) -> float:
            mixture = weights @ values
            if mixture.min() <= 0:
                return float("inf")
            loss = -float(np.log(mixture) @ counts) / self.rows
            return float(loss + self.shrinkage * np.square(weights - 1.0 / self.members).sum())

        start, size = objective(point), 1.0
        while size > 1e-10:
            candidate = point + size * step
            if objective(candidate) <= start + 1e-4 * size * slope + 1e-15:
                return normalize(candidate)
            size /= 2.0
        return point


def _newton_point(curvature: Floats, gradient: Floats, point: Floats) -> Floats:
    """Return the point of the simplex where the quadratic model at `point` is lowest.

    On the simplex a least squares residual A u - b is the linear map (A - b 1') u, and the simplex point that is
    best for a linear map is the direction of the solution of min |(A - b 1') y|^2 + (sum(y) - 1)^2 over y >= 0.
    """
    size = len(point)
    # Members that agree everywhere leave the quadratic flat; a trace of the identity keeps the step short there.
    curvature = curvature + 1e-10 * np.trace(curvature) / size * np.eye(size)
    factor = cholesky(curvature)
    goal = solve_triangular(factor, curvature @ point - gradient, trans="T")
    rows = np.vstack([factor - goal[:, None], np.ones(size)])
    return normalize(nnls(rows, np.append(np.zeros(size), 1.0))[0])


def normalize(weights: Floats) -> Floats:
    """Return the weights, clipped at zero, with sum 1."""
    clipped = np.clip(weights, 0.0, None)
    scaled: Floats = clipped / clipped.sum()
    return scaled


def best_single(p_true: Floats) -> int:
    """Return the place of the member with the lowest log loss, for (M, n) `p_true`."""
    return int(np.argmax([np.log(row).mean() for row in p_true]))


def certificate(p_true: Floats, weights: Floats) -> float:
    """Return a bound on how far the log loss of weights is above that of the best weights.

    It is the Frank-Wolfe gap of a convex function over the simplex (Jaggi 2013, "Revisiting Frank-Wolfe:
    projection-free sparse convex optimization", section 2), which is zero exactly at the optimum.

    Parameters
    ----------
    p_true : ndarray of shape (M, n)
        Probability that each member gave to the true outcome of each row, in (0, 1].
    weights : ndarray of shape (M,)
        Weights on the simplex.

    Returns
    -------
    float
        The bound, in nats, 0 or more.
    """
    gradient = Problem(p_true).gradient(weights)
    return float(gradient @ weights - gradient.min())


def minimize_log_loss(
    p_true: Floats,
    counts: Floats | None = None,
    shrinkage: float = 0.0,
    start: Floats | None = None,
    target: float = GAP_TARGET,
) -> Floats:
    """Return the weights on the simplex that solve `Problem`.

    In each round the members with the steepest descent join those with a weight (column generation); among these,
    each Newton step is a non-negative least squares problem, as in Kim, Carbonetto, Stephens & Anitescu 2020, "A fast
    algorithm for maximum likelihood estimation of mixture proportions using sequential quadratic programming",
    section 3. Without a `start`, a sample of the rows gives the first guess.

    Parameters
    ----------
    p_true, counts, shrinkage
        As in `Problem`.
    start : ndarray of shape (M,) or None
        Weights to start from.
    target : float
        Largest distance from the optimum that the solver aims at, in nats.

    Returns
    -------
    ndarray of shape (M,)
        Weights, zero or more, with sum 1.

    Raises
    ------
    BlendError
        If the weights can't be proved to be within 1e-6 nats of the optimum.
    """
    problem = Problem(p_true, counts, shrinkage)
    weights = _first_guess(problem) if start is None else normalize(start)
    gap = np.inf
    for _ in range(MOST_ROUNDS):
        gradient = problem.gradient(weights)
        gap = float(gradient @ weights - gradient.min())
        if gap <= target:
            return weights
        unused_gradient = np.where(weights > 0, np.inf, gradient)
        steepest = np.argsort(unused_gradient, kind="stable")[:MEMBERS_PER_ROUND]
        joining = steepest[unused_gradient[steepest] < gradient @ weights]
        chosen = np.union1d(np.flatnonzero(weights), joining)
        weights = problem.descend(weights, chosen, max(0.1 * gap, 0.5 * target))
    if not gap <= GAP_ACCEPTED:
        raise BlendError(
            f"weights whose log loss may be {gap:.1e} nats above the optimum",
            f"at most {GAP_ACCEPTED:g}",
            "report this as a bug",
        )
    return weights


def _first_guess(problem: Problem) -> Floats:
    """Return the solution for a sample of the rows or, where there are few, the best single member."""
    stride = problem.rows // SAMPLE_ROWS
    if stride >= 2:
        counts = None if problem.counts is None else problem.counts[::stride]
        return minimize_log_loss(problem.p_true[:, ::stride], counts, problem.shrinkage)
    best = best_single(problem.p_true)
    alone: Floats = np.eye(problem.members)[best]
    return alone
