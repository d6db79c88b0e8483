"""Logistic regression that is symmetric in the two responses: exchanging A and B exchanges their probabilities.

The logits of (A wins, B wins, tie) are (s, -s, t), with s = u . odd and t = v . even, where odd inputs change sign when
A and B change places and even ones stay the same. By convexity this is the solution of ordinary L2-penalized
multinomial regression on the data and its swapped copy, with half the rows and a third of the weights. It is the
Davidson (1970) model with linear strengths and a linear log tie parameter.

`fit_lbfgs` is for the thousands of features of a member, `fit_newton` for the few coefficients of a blend.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize, nnls
from scipy.special import log_softmax

from prefens.core.errors import BlendError
from prefens.core.metrics import CLIP, one_hot
from prefens.core.tensors import read_arrays
from prefens.core.types import Floats, Outcome

log = logging.getLogger(__name__)

EVEN_PENALTY = 1.0 / 3.0  # a tie weight v stands for weights (-v/3, -v/3, 2v/3) of the three classes
INTERCEPT_PENALTY = 1e-3  # keeps the tie logit finite where no row, or every row, is a tie
BLOCK_ROWS = 4096  # rows at a time in `fit_newton`, whose inputs are computed block by block to save memory
KKT_TARGET = 1e-9  # largest violation of the optimality conditions that `fit_newton` aims at
KKT_ACCEPTED = 1e-6  # largest violation that it accepts
NEWTON_STEPS = 300
MIN_DAMPING, MAX_DAMPING = 1e-9, 1e12

Matrix = Any  # (n, p) numpy array or scipy CSR matrix
Inputs = Callable[[slice], tuple[Floats, Floats]]  # rows -> (p, b) odd inputs, of s, and (q, b) even ones, of t


def log_odds(probabilities: Floats) -> tuple[Floats, Floats]:
    """Return s and t of probabilities (..., n, 3), clipped at 1e-15: two arrays (..., n), natural logarithms."""
    logs = np.log(np.clip(probabilities, CLIP, 1.0, dtype=np.float64))
    a, b, tie = (logs[..., outcome] for outcome in Outcome)
    return (a - b) / 2.0, tie - (a + b) / 2.0


def probabilities_of(s: Floats, t: Floats) -> Floats:
    """Return (n, 3) probabilities with logits (s, -s, t), each (n,)."""
    return np.exp(_log_probabilities(s, t))


@dataclass(frozen=True, eq=False)
class SymmetricLogistic:
    """Fitted weights.

    Attributes
    ----------
    odd : array of float64, shape (p,)
        The weights u of odd inputs.
    even : array of float64, shape (q,)
        The weights v of even inputs.
    intercept : float
        Added to the logit of a tie.
    """

    odd: Floats
    even: Floats
    intercept: float

    @property
    def size(self) -> int:
        """The number of weights."""
        return len(self.odd) + len(self.even) + 1

    def predict_proba(self, odd: Matrix, even: Matrix) -> Floats:
        """Return (n, 3) float64 probabilities for odd (n, p) and even (n, q) features."""
        return probabilities_of(odd @ self.odd, even @ self.even + self.intercept)

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        from safetensors.numpy import save_file

        save_file({"odd": self.odd, "even": self.even, "intercept": np.array([self.intercept])}, path)

    @staticmethod
    def load(path: Path, n_odd: int, n_even: int) -> SymmetricLogistic:
        """Read what `save` wrote; StoreError where it is not that, or of other numbers of features."""
        shapes = {"odd": n_odd, "even": n_even, "intercept": 1}
        tensors = read_arrays(path, {name: (np.float64, (size,)) for name, size in shapes.items()})
        return SymmetricLogistic(tensors["odd"], tensors["even"], float(tensors["intercept"][0]))


def fit_lbfgs(
    odd: Matrix,
    even: Matrix,
    label: NDArray[np.int8],
    strength: float,
    start: SymmetricLogistic | None = None,
    tolerance: float = 1e-5,
    curve: list[float] | None = None,
) -> SymmetricLogistic:
    """Minimize the L2-penalized log loss; a warning is logged where the solver stops early.

    Parameters
    ----------
    odd, even : array or CSR matrix, shapes (n, p) and (n, q)
        Features on comparable scales.
    label : array of int8, shape (n,)
        In the order of `Outcome`.
    strength : float
        Inverse regularization C > 0, as in scikit-learn for the rows and their swapped copies.
    start : SymmetricLogistic or None
        Where to begin, such as a fit at a nearby strength.
    tolerance : float
        Largest entry of the gradient of the mean loss at the solution.
    curve : list of float or None
        Receives the mean penalized loss, in nats, after each iteration.
    """
    width = odd.shape[1], even.shape[1]
    (odd, odd_seen), (even, even_seen) = _seen(odd), _seen(even)
    n, p, q = len(label), odd.shape[1], even.shape[1]
    target = one_hot(label)
    odd_t, even_t = odd.T, even.T
    penalty = np.concatenate([np.ones(p) / strength, np.full(q, EVEN_PENALTY / strength), [INTERCEPT_PENALTY]]) / n

    def objective(weights: Floats) -> tuple[float, Floats]:
        loss, slope, tie, _ = _loss(odd @ weights[:p], even @ weights[p:-1] + weights[-1], target, n)
        gradient = np.concatenate([odd_t @ slope, even_t @ tie, [tie.sum()]]) + penalty * weights
        return loss + 0.5 * float(penalty @ weights**2), gradient

    def record(intermediate_result: Any) -> None:
        if curve is not None:
            curve.append(float(intermediate_result.fun))

    first = np.zeros(p + q + 1)
    if start is not None:
        first = np.concatenate([start.odd[odd_seen], start.even[even_seen], [start.intercept]])
    result = minimize(
        objective, first, jac=True, method="L-BFGS-B", callback=record,
        options={"maxiter": 1000, "gtol": tolerance, "ftol": 1e-12, "maxcor": 20},
    )  # fmt: skip
    if not result.success:
        largest = np.abs(result.jac).max()
        log.warning("logistic regression stopped early: %s (largest gradient %.1e)", result.message, largest)
    model = SymmetricLogistic(np.zeros(width[0]), np.zeros(width[1]), float(result.x[-1]))
    model.odd[odd_seen], model.even[even_seen] = result.x[:p], result.x[p:-1]
    return model


def fit_newton(
    inputs: Inputs,
    label: NDArray[np.int8],
    start: Floats,
    *,
    tied: bool = False,
    nonnegative: NDArray[np.bool_] | bool = False,
    ridge: Floats | float = 0.0,
    center: Floats | None = None,
) -> Floats:
    """Return the coefficients with the lowest mean log loss, exact within the optimality conditions.

    Parameters
    ----------
    inputs : callable
        Returns the odd inputs (p, b) and the even inputs (q, b) of a slice of b rows.
    label : array of int8, shape (n,)
        In the order of `Outcome`.
    start : array, shape (p + q,), or (p,) where `tied`
        Where to begin, odd coefficients first.
    tied : bool
        Whether odd and even inputs share their coefficients; then p = q.
    nonnegative : bool or array of bool, like `start`
        Which coefficients must not be negative.
    ridge : float or array, like `start`
        Weights of the penalty sum(ridge * (coefficients - center)^2) / 2, in nats.
    center : array like `start`, or None
        What the penalty shrinks to; None for `start`.

    Returns
    -------
    array of float64, like `start`

    Raises
    ------
    BlendError
        Where the optimality conditions do not hold within 1e-6.
    """
    point, center = start.astype(np.float64), start if center is None else center
    bounded = np.broadcast_to(nonnegative, point.shape)

    def derivatives(at: Floats) -> tuple[float, Floats, Floats]:
        loss, gradient, curvature = _derivatives(inputs, label, at, tied)
        shrinkage = ridge * (at - center)
        return loss + 0.5 * float(shrinkage @ (at - center)), gradient + shrinkage, curvature + ridge * np.eye(len(at))

    value, gradient, curvature = derivatives(point)
    damping = MIN_DAMPING
    for _ in range(NEWTON_STEPS):
        if kkt_violation(point, gradient, bounded) <= KKT_TARGET:
            break
        step = _newton_point(curvature, gradient, point, bounded, damping) - point
        trial = derivatives(point + step)
        if trial[0] <= value + 1e-4 * float(gradient @ step) + 1e-15:
            point, (value, gradient, curvature) = point + step, trial
            damping = max(damping / 10.0, MIN_DAMPING)
        elif damping > MAX_DAMPING:
            break
        else:  # rows that are sure and wrong have a slope and no curvature: shorten the step (Levenberg-Marquardt)
            damping *= 10.0
    violation = kkt_violation(point, gradient, bounded)
    if not violation <= KKT_ACCEPTED:
        came = f"coefficients whose optimality conditions are off by {violation:.1e}"
        raise BlendError(came, f"at most {KKT_ACCEPTED:g}", "report this as a bug")
    return point


def kkt_violation(point: Floats, gradient: Floats, bounded: NDArray[np.bool_]) -> float:
    """Return the largest violation of the first-order conditions.

    Parameters
    ----------
    point, gradient : array, shape (p,)
        The coefficients, and the gradient there.
    bounded : array of bool, shape (p,)
        Which coefficients must not be negative: of those the smaller of coefficient and gradient must be 0.
    """
    slack = np.where(bounded, np.minimum(point, gradient), gradient)
    return float(np.abs(slack).max())


def _log_probabilities(s: Floats, t: Floats) -> Floats:
    logits = np.empty((len(s), len(Outcome)))
    logits[:, Outcome.A_WINS], logits[:, Outcome.B_WINS], logits[:, Outcome.TIE] = s, -s, t
    logs: Floats = log_softmax(logits, axis=1)
    return logs


def _loss(s: Floats, t: Floats, target: Floats, n: int) -> tuple[float, Floats, Floats, Floats]:
    """Return these rows' part of the mean log loss over n rows, its derivatives by s and t, and the probabilities."""
    logs = _log_probabilities(s, t)
    probabilities = np.exp(logs)
    residual = (probabilities - target) / n
    slope = residual[:, Outcome.A_WINS] - residual[:, Outcome.B_WINS]
    return -float((logs * target).sum()) / n, slope, residual[:, Outcome.TIE], probabilities


def _seen(features: Matrix) -> tuple[Matrix, Any]:
    """Drop the columns of sparse features that are zero in every row (most n-grams): their weights are zero too."""
    if not sparse.issparse(features):
        return features, slice(None)
    seen = np.flatnonzero(features.getnnz(axis=0))
    return features[:, seen], seen


def _derivatives(inputs: Inputs, label: NDArray[np.int8], point: Floats, tied: bool) -> tuple[float, Floats, Floats]:
    """Return the mean log loss at the coefficients, its gradient and its curvature."""
    n, sums = len(label), None
    for first in range(0, n, BLOCK_ROWS):
        rows = slice(first, first + BLOCK_ROWS)
        odd, even = inputs(rows)
        split = 0 if tied else len(odd)
        loss, slope, tie_slope, probabilities = _loss(
            point[: len(odd)] @ odd, point[split:] @ even, one_hot(label[rows]), n
        )
        a, b, tie = probabilities.T
        block = [
            loss,
            odd @ slope,
            even @ tie_slope,
            (odd * ((a + b - (a - b) ** 2) / n)) @ odd.T,
            (odd * ((b - a) * tie / n)) @ even.T,
            (even * ((tie - tie**2) / n)) @ even.T,
        ]
        sums = block if sums is None else [total + more for total, more in zip(sums, block, strict=True)]
    loss, g_odd, g_even, h_odd, h_both, h_even = sums or []
    if tied:
        return loss, g_odd + g_even, h_odd + h_both + h_both.T + h_even
    return loss, np.concatenate([g_odd, g_even]), np.block([[h_odd, h_both], [h_both.T, h_even]])


def _newton_point(
    curvature: Floats, gradient: Floats, point: Floats, bounded: NDArray[np.bool_], damping: float
) -> Floats:
    """Return where the quadratic model at `point`, with `damping` times a mean curvature added, is lowest."""
    # Inputs that agree everywhere, and rows that are already certain, leave it flat in some directions.
    curvature = curvature + damping * (np.trace(curvature) / len(point) + 1e-4) * np.eye(len(point))
    factor = cholesky(curvature)
    goal = solve_triangular(factor, curvature @ point - gradient, trans="T")
    if not bounded.any():
        unbounded: Floats = solve_triangular(factor, goal)
        return unbounded
    parts = nnls(np.hstack([factor, -factor[:, ~bounded]]), goal)[0]  # what is free is the difference of two parts
    lowest: Floats = parts[: len(point)]
    lowest[~bounded] -= parts[len(point) :]
    return lowest
