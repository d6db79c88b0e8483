"""Log loss over the simplex of weights: a convex problem, solved with a certificate."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from prefens.core.errors import BlendError
from prefens.core.types import Floats, Ints

CERTIFICATE = 1e-6  # how far, in nats, a fit may be above its optimum before it is refused
TARGET = 1e-9  # what the solver aims at
ROUNDS = 60  # of choosing members to work on; 5 to 10 are usual
STEPS = 30  # Newton steps on the chosen members
ADDED = 12  # members that join the chosen ones in a round
BLOCK = 500_000  # probabilities at a time, where a float64 copy of all would double or triple the memory
SAMPLE = 2048  # about so many rows give the first guess


class Problem:
    """Minimise mean(-c log(w . q)) + pull * |w - 1/M|^2 over weights w >= 0 with sum 1.

    Parameters
    ----------
    true_class : (M, n) float64 or float32, the probability that each member gave to what happened, in (0, 1].
    counts : (n,) how often each row counts, with mean 1, or None for once.
    pull : strength of the pull to equal weights, in nats; 0 for none.
    """

    def __init__(self, true_class: Floats, counts: Floats | None = None, pull: float = 0.0) -> None:
        self.true_class, self.counts, self.pull = true_class, counts, pull
        self.members, self.rows = true_class.shape

    def gradient(self, weights: Floats) -> Floats:
        """Return the (M,) gradient at (M,) weights, in float64 without a float64 copy of the data."""
        inside = np.flatnonzero(weights)
        total = np.zeros(self.members)
        size = max(BLOCK // self.members, 1)
        for start in range(0, self.rows, size):
            block = slice(start, start + size)
            values = self.true_class[:, block].astype(np.float64, copy=False)
            share = 1.0 / (weights[inside] @ values[inside])
            total += values @ (share if self.counts is None else share * self.counts[block])
        gradient: Floats = -total / self.rows + 2.0 * self.pull * (weights - 1.0 / self.members)
        return gradient

    def descend(self, weights: Floats, chosen: Ints, enough: float) -> Floats:
        """Return (M,) weights, zero but for the chosen members, whose gap among these is at most `enough`."""
        values = self.true_class[chosen].astype(np.float64, copy=False)
        inside = weights[chosen]
        counts = np.ones(self.rows) if self.counts is None else self.counts
        for _ in range(STEPS):
            gradient, curvature = self._derivatives(values, counts, inside)
            if gradient @ inside - gradient.min() <= enough:
                break
            step = _newton_point(curvature, gradient, inside) - inside
            inside = self._line_search(values, counts, inside, step, float(gradient @ step))
        found = np.zeros(self.members)
        found[chosen] = inside
        return found

    def _derivatives(self, values: Floats, counts: Floats, inside: Floats) -> tuple[Floats, Floats]:
        """Return the (m,) gradient and the (m, m) curvature at (m,) weights of the chosen members alone."""
        gradient, curvature = np.zeros(len(inside)), np.zeros((len(inside), len(inside)))
        size = max(BLOCK // len(inside), 1)
        for start in range(0, self.rows, size):
            block = slice(start, start + size)
            ratio = values[:, block] / (inside @ values[:, block])
            weighted = ratio if self.counts is None else ratio * counts[block]
            gradient -= weighted.sum(axis=1)
            curvature += weighted @ ratio.T
        pulled = inside - 1.0 / self.members
        return (
            gradient / self.rows + 2.0 * self.pull * pulled,
            curvature / self.rows + 2.0 * self.pull * np.eye(len(inside)),
        )

    def _line_search(self, values: Floats, counts: Floats, inside: Floats, step: Floats, slope: float) -> Floats:
        """Halve the step until the objective falls by a share of what the slope promises (Armijo)."""

        def objective(point: Floats) -> float:
            mixture = point @ values
            if mixture.min() <= 0:
                return float("inf")
            loss = -float(np.log(mixture) @ counts) / self.rows
            return float(loss + self.pull * np.square(point - 1.0 / self.members).sum())

        start, size = objective(inside), 1.0
        while size > 1e-10:
            point = inside + size * step
            if objective(point) <= start + 1e-4 * size * slope + 1e-15:
                return normalised(point)
            size /= 2.0
        return inside


def _newton_point(curvature: Floats, gradient: Floats, inside: Floats) -> Floats:
    """Return the point of the simplex where the quadratic model at `inside` is lowest.

    On the simplex a least squares residual A u - b is the linear map (A - b 1') u, and the simplex point that is
    best for a linear map is the direction of the solution of min |(A - b 1') y|^2 + (sum(y) - 1)^2 over y >= 0.
    """
    size = len(inside)
    # Members that agree everywhere leave the quadratic flat; a trace of the identity keeps the step short there.
    curvature = curvature + 1e-10 * np.trace(curvature) / size * np.eye(size)
    factor = cholesky(curvature)
    goal = solve_triangular(factor, curvature @ inside - gradient, trans="T")
    rows = np.vstack([factor - goal[:, None], np.ones(size)])
    return normalised(nnls(rows, np.append(np.zeros(size), 1.0))[0])


def normalised(weights: Floats) -> Floats:
    """Return the weights, clipped at zero, with sum 1."""
    clipped = np.clip(weights, 0.0, None)
    scaled: Floats = clipped / clipped.sum()
    return scaled


def best_single(true_class: Floats) -> int:
    """Return the member, a row of (M, n) `true_class`, with the lowest log loss."""
    return int(np.argmax([np.log(row).mean() for row in true_class]))


def certificate(true_class: Floats, weights: Floats) -> float:
    """Return a bound, in nats, on how far the log loss of (M,) `weights` is above that of the best weights.

    It is the Frank-Wolfe gap of a convex function over the simplex (Jaggi 2013, section 2), zero exactly at
    the optimum. `true_class` is (M, n).
    """
    gradient = Problem(true_class).gradient(weights)
    return float(gradient @ weights - gradient.min())


def minimise_log_loss(
    true_class: Floats,
    counts: Floats | None = None,
    pull: float = 0.0,
    start: Floats | None = None,
    target: float = TARGET,
) -> Floats:
    """Return the (M,) weights that solve `Problem` within `target` nats, from a first guess `start` if there is one.

    Members join as the gradient asks for them (column generation); among those chosen, each Newton step is a
    non-negative least squares problem, as in Kim, Carbonetto, Stephens & Anitescu 2020, "A fast algorithm for
    maximum likelihood estimation of mixture proportions using sequential quadratic programming", section 3. Without
    a `start`, a sample of the rows gives one. BlendError where the certificate is not reached.
    """
    problem = Problem(true_class, counts, pull)
    weights = _first_guess(problem) if start is None else normalised(start)
    gap = np.inf
    for _ in range(ROUNDS):
        gradient = problem.gradient(weights)
        gap = float(gradient @ weights - gradient.min())
        if gap <= target:
            return weights
        outside = np.where(weights > 0, np.inf, gradient)
        wanted = np.argsort(outside, kind="stable")[:ADDED]
        joining = wanted[outside[wanted] < gradient @ weights]
        chosen = np.union1d(np.flatnonzero(weights), joining)
        weights = problem.descend(weights, chosen, max(0.1 * gap, 0.5 * target))
    if not gap <= CERTIFICATE:
        raise BlendError(
            f"weights whose log loss may be {gap:.1e} nats above the optimum",
            f"at most {CERTIFICATE:g}",
            "report this as a bug",
        )
    return weights


def _first_guess(problem: Problem) -> Floats:
    """Return the solution for a sample of the rows or, where there are few, the best single member."""
    stride = problem.rows // SAMPLE
    if stride >= 2:
        counts = None if problem.counts is None else problem.counts[::stride]
        return minimise_log_loss(problem.true_class[:, ::stride], counts, problem.pull)
    best = best_single(problem.true_class)
    alone: Floats = np.eye(problem.members)[best]
    return alone
