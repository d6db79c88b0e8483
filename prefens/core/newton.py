"""Newton's method for convex functions of a few coefficients, some of which must not be negative."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from prefens.core.errors import BlendError
from prefens.core.types import Floats

KKT_TARGET = 1e-9  # largest violation of the optimality conditions that is aimed at
KKT_ACCEPTED = 1e-6  # largest violation that is accepted
NEWTON_STEPS = 300
MIN_DAMPING, MAX_DAMPING = 1e-9, 1e12


def minimize_newton(
    derivatives: Callable[[Floats], tuple[float, Floats, Floats]], start: Floats, bounded: NDArray[np.bool_]
) -> Floats:
    """Return the coefficients where a convex function is lowest, exact within the optimality conditions.

    Parameters
    ----------
    derivatives : callable
        From coefficients (p,) to the value, the gradient (p,) and the curvature (p, p) there.
    start : array, shape (p,)
        Where to begin.
    bounded : array of bool, shape (p,)
        Which coefficients must not be negative.

    Raises
    ------
    BlendError
        Where the optimality conditions do not hold within 1e-6.
    """
    point = start.astype(np.float64)
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
