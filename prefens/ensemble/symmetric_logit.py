"""Logits (s, -s, t) of (A wins, B wins, tie), linear in a few coefficients: swap-symmetric, convex, by Newton's method.

s changes sign and t stays when A and B change places. Every rule here that is linear in log probabilities is so.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from prefens.core.errors import BlendError
from prefens.core.metrics import CLIP
from prefens.core.types import Floats, Outcome

BLOCK = 4096  # rows at a time: inputs are made when they are needed, and never all at once
TARGET = 1e-9  # largest violation of the optimality conditions that the solver aims at
ACCEPTED = 1e-6  # and that is accepted
STEPS = 300
LEAST_DAMPING, MOST_DAMPING = 1e-9, 1e12

Inputs = Callable[[slice], tuple[Floats, Floats]]  # rows -> (p, b) odd inputs, of s, and (q, b) even ones, of t


def log_odds(probabilities: Floats) -> tuple[Floats, Floats]:
    """Return s and t of probabilities (..., n, 3), clipped at 1e-15: two arrays (..., n), natural logarithms."""
    logs = np.log(np.clip(probabilities, CLIP, 1.0, dtype=np.float64))
    a, b, tie = (logs[..., outcome] for outcome in Outcome)
    return (a - b) / 2.0, tie - (a + b) / 2.0


def probabilities_of(s: Floats, t: Floats) -> Floats:
    """Return (n, 3) probabilities with logits (s, -s, t), each (n,)."""
    logits = np.empty((len(s), len(Outcome)))
    logits[:, Outcome.A_WINS], logits[:, Outcome.B_WINS], logits[:, Outcome.TIE] = s, -s, t
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    normalised: Floats = shares / shares.sum(axis=1, keepdims=True)
    return normalised


def minimise(
    inputs: Inputs,
    label: NDArray[np.int8],
    start: Floats,
    *,
    tied: bool = False,
    nonnegative: NDArray[np.bool_] | bool = False,
    ridge: Floats | float = 0.0,
    centre: Floats | None = None,
) -> Floats:
    """Return the coefficients with the lowest mean log loss.

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
        pulled = ridge * (at - centre)
        return loss + 0.5 * float(pulled @ (at - centre)), gradient + pulled, curvature + ridge * np.eye(len(at))

    value, gradient, curvature = derivatives(point)
    damping = LEAST_DAMPING
    for _ in range(STEPS):
        if kkt_violation(point, gradient, bounded) <= TARGET:
            break
        step = _newton_point(curvature, gradient, point, bounded, damping) - point
        found = derivatives(point + step)
        if found[0] <= value + 1e-4 * float(gradient @ step) + 1e-15:
            point, (value, gradient, curvature) = point + step, found
            damping = max(damping / 10.0, LEAST_DAMPING)
        elif damping > MOST_DAMPING:
            break
        else:  # rows that are sure and wrong have a slope and no curvature: shorten the step (Levenberg-Marquardt)
            damping *= 10.0
    violation = kkt_violation(point, gradient, bounded)
    if not violation <= ACCEPTED:
        raise BlendError(
            f"coefficients whose optimality conditions are off by {violation:.1e}",
            f"at most {ACCEPTED:g}",
            "report this as a bug",
        )
    return point


def kkt_violation(point: Floats, gradient: Floats, bounded: NDArray[np.bool_]) -> float:
    """Return by how much the first-order conditions fail: the gradient or, where bounded, its complementarity."""
    slack = np.where(bounded, np.minimum(point, gradient), gradient)
    return float(np.abs(slack).max())


def _derivatives(inputs: Inputs, label: NDArray[np.int8], point: Floats, tied: bool) -> tuple[float, Floats, Floats]:
    """Return the mean log loss at the coefficients, its gradient and its curvature."""
    loss, parts = 0.0, None
    for first in range(0, len(label), BLOCK):
        rows = slice(first, first + BLOCK)
        odd, even = inputs(rows)
        split = 0 if tied else len(odd)
        probabilities = probabilities_of(point[: len(odd)] @ odd, point[split:] @ even)
        truth = np.eye(len(Outcome))[label[rows].astype(np.int64)]
        loss -= float(np.log(np.maximum((probabilities * truth).sum(axis=1), 1e-300)).sum())
        a, b, tie = probabilities.T
        off = probabilities - truth
        added = [
            odd @ (off[:, Outcome.A_WINS] - off[:, Outcome.B_WINS]),
            even @ off[:, Outcome.TIE],
            (odd * (a + b - (a - b) ** 2)) @ odd.T,
            (odd * ((b - a) * tie)) @ even.T,
            (even * (tie - tie**2)) @ even.T,
        ]
        parts = added if parts is None else [total + more for total, more in zip(parts, added, strict=True)]
    g_odd, g_even, h_odd, h_both, h_even = (part / len(label) for part in parts or [])
    if tied:
        return loss / len(label), g_odd + g_even, h_odd + h_both + h_both.T + h_even
    curvature = np.block([[h_odd, h_both], [h_both.T, h_even]])
    return loss / len(label), np.concatenate([g_odd, g_even]), curvature


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
    found: Floats = parts[: len(point)]
    found[~bounded] -= parts[len(point) :]
    return found
