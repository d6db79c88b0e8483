"""Logistic regression that cannot tell which response is shown first.

The logits of (A wins, B wins, tie) are (s, -s, t), linear in a few or many coefficients: s = u . odd and
t = v . even, where odd inputs change sign and even ones stay when A and B change places. By convexity this is the
solution of ordinary L2-penalised multinomial regression on the data and its swapped copy, at half the rows and a third
of the weights. It is the Davidson (1970) model with linear strengths and a linear log tie parameter.

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
from prefens.core.types import Floats, Outcome

log = logging.getLogger(__name__)

EVEN_PENALTY = 1.0 / 3.0  # a tie weight v is shared out as (-v/3, -v/3, 2v/3) over the three classes
INTERCEPT_PENALTY = 1e-3  # keeps the tie logit finite where no tie, or nothing else, was seen
BLOCK_ROWS = 4096  # rows at a time in `fit_newton`: inputs are made when they are needed, and never all at once
KKT_TARGET = 1e-9  # largest violation of the optimality conditions that `fit_newton` aims at
KKT_ACCEPTED = 1e-6  # and that it accepts
NEWTON_STEPS = 300
LEAST_DAMPING, MOST_DAMPING = 1e-9, 1e12

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
    odd : (p,) float64.
    even : (q,) float64.
    intercept : float, of the tie.
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
    def load(path: Path) -> SymmetricLogistic:
        """Read what `save` wrote."""
        from safetensors.numpy import load_file

        tensors = load_file(path)
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
    """Minimise the L2-penalised log loss; a warning is logged where the solver stops early.

    Parameters
    ----------
    odd, even : (n, p) and (n, q) features, dense or CSR, on comparable scales.
    label : (n,) in the order of `Outcome`.
    strength : inverse regularisation C > 0, with scikit-learn's meaning on the swap-augmented rows.
    start : where to begin (a fit at a nearby strength).
    tolerance : largest gradient entry, relative to the objective's n * C scale.
    curve : receives the mean penalised loss after each iteration.
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
    centre: Floats | None = None,
) -> Floats:
    """Return the coefficients with the lowest mean log loss, exact within the optimality conditions.

    Parameters
    ----------
    inputs : gives the inputs of a slice of rows; label : (n,) in the order of `Outcome`.
    start : where to begin: (p + q,), odd coefficients first; or, where odd and even inputs are `tied` to the same
        coefficients, (p,) with p = q.
    nonnegative : whether coefficients must be zero or more: all, or (like `start`) each.
    ridge : of the penalty sum(ridge * (coefficients - centre)^2) / 2, in nats, a number or one for each coefficient.
    centre : like `start`, which it is if None.

    Raises
    ------
    BlendError where the optimality conditions do not hold within 1e-6.
    """
    point, centre = start.astype(np.float64), start if centre is None else centre
    bounded = np.broadcast_to(nonnegative, point.shape)

    def derivatives(at: Floats) -> tuple[float, Floats, Floats]:
        loss, gradient, curvature = _derivatives(inputs, label, at, tied)
        shrinkage = ridge * (at - centre)
        return loss + 0.5 * float(shrinkage @ (at - centre)), gradient + shrinkage, curvature + ridge * np.eye(len(at))

    value, gradient, curvature = derivatives(point)
    damping = LEAST_DAMPING
    for _ in range(NEWTON_STEPS):
        if kkt_violation(point, gradient, bounded) <= KKT_TARGET:
            break
        step = _newton_point(curvature, gradient, point, bounded, damping) - point
        trial = derivatives(point + step)
        if trial[0] <= value + 1e-4 * float(gradient @ step) + 1e-15:
            point, (value, gradient, curvature) = point + step, trial
            damping = max(damping / 10.0, LEAST_DAMPING)
        elif damping > MOST_DAMPING:
            break
        else:  # rows that are sure and wrong have a slope and no curvature: shorten the step (Levenberg-Marquardt)
            damping *= 10.0
    violation = kkt_violation(point, gradient, bounded)
    if not violation <= KKT_ACCEPTED:
        came = f"coefficients whose optimality conditions are off by {violation:.1e}"
        raise BlendError(came, f"at most {KKT_ACCEPTED:g}", "report this as a bug")
    return point


def kkt_violation(point: Floats, gradient: Floats, bounded: NDArray[np.bool_]) -> float:
    """Return by how much the first-order conditions fail: the gradient or, where bounded, its complementarity."""
    slack = np.where(bounded, np.minimum(point, gradient), gradient)
    return float(np.abs(slack).max())


def _log_probabilities(s: Floats, t: Floats) -> Floats:
    logits = np.empty((len(s), len(Outcome)))
    logits[:, Outcome.A_WINS], logits[:, Outcome.B_WINS], logits[:, Outcome.TIE] = s, -s, t
    logs: Floats = log_softmax(logits, axis=1)
    return logs


def _loss(s: Floats, t: Floats, target: Floats, n: int) -> tuple[float, Floats, Floats, Floats]:
    """Return the rows' part of the mean log loss over n rows, its slopes in s and t, and the probabilities."""
    logs = _log_probabilities(s, t)
    probabilities = np.exp(logs)
    residual = (probabilities - target) / n
    slope = residual[:, Outcome.A_WINS] - residual[:, Outcome.B_WINS]
    return -float((logs * target).sum()) / n, slope, residual[:, Outcome.TIE], probabilities


def _seen(features: Matrix) -> tuple[Matrix, Any]:
    """Drop the columns of sparse features that no row has: most n-grams. Their weights are zero at the solution."""
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
