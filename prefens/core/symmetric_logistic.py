"""Logistic regression that is symmetric in the two responses: exchanging A and B exchanges their probabilities.

The logits of (A wins, B wins, tie) are (s, -s, t), with s = u . odd and t = v . even, where odd inputs change sign when
A and B change places and even ones stay the same. By convexity this is the solution of ordinary L2-penalized
multinomial regression on the data and its swapped copy, with half the rows and a third of the weights. It is the
Davidson (1970) model with linear strengths and a linear log tie parameter. With two outcomes, there is no t.

`fit_lbfgs` is for the thousands of features of a member, `fit_newton` for the few coefficients of a blend.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_softmax

from prefens.core.metrics import CLIP, one_hot
from prefens.core.newton import minimize_newton
from prefens.core.teaching.targets import Targets
from prefens.core.tensors import read_arrays, refusal
from prefens.core.types import Floats, Outcome

log = logging.getLogger(__name__)

EVEN_PENALTY = 1.0 / 3.0  # a tie weight v stands for weights (-v/3, -v/3, 2v/3) of the three classes
INTERCEPT_PENALTY = 1e-3  # keeps the tie logit finite where no row, or every row, is a tie
STOP_EVERY = 8  # iterations of L-BFGS between two questions whether to stop
BLOCK_ROWS = 4096  # rows at a time in `fit_newton`, whose inputs are computed block by block to save memory

Matrix = Any  # (n, p) numpy array or scipy CSR matrix
Odds = tuple[Floats, ...]  # K - 1 arrays: of s, and of t where there are ties
Inputs = Callable[[slice], Odds]  # rows -> (p, b) odd inputs, of s, and (q, b) even ones, of t


def log_odds(probabilities: Floats) -> Odds:
    """Return s and t of probabilities (..., n, K), clipped at 1e-15: K - 1 arrays (..., n), natural logarithms."""
    logs = np.log(np.clip(probabilities, CLIP, 1.0, dtype=np.float64))
    a, b, *ties = (logs[..., outcome] for outcome in range(logs.shape[-1]))
    return (a - b) / 2.0, *(tie - (a + b) / 2.0 for tie in ties)


def probabilities_of(s: Floats, t: Floats | None = None) -> Floats:
    """Return (n, K) probabilities with logits (s, -s, t), each (n,)."""
    return np.exp(_log_probabilities(s, t))


@dataclass(frozen=True, eq=False)
class SymmetricLogistic:
    """Fitted weights.

    Attributes
    ----------
    odd : array of float64, shape (p,)
        The weights u of odd inputs.
    even : array of float64, shape (q,)
        The weights v of even inputs; zeros for two outcomes.
    intercept : float or None
        Added to the logit of a tie; None for two outcomes.
    """

    odd: Floats
    even: Floats
    intercept: float | None

    @property
    def size(self) -> int:
        """The number of weights."""
        return len(self.odd) + (0 if self.intercept is None else len(self.even) + 1)

    def predict_proba(self, odd: Matrix, even: Matrix) -> Floats:
        """Return (n, K) float64 probabilities for odd (n, p) and even (n, q) features."""
        t = None if self.intercept is None else even @ self.even + self.intercept
        return probabilities_of(odd @ self.odd, t)

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        from safetensors.numpy import save_file

        ties = [np.empty(0)] * 2 if self.intercept is None else [self.even, np.array([self.intercept])]
        save_file({"odd": self.odd, "even": ties[0], "intercept": ties[1]}, path)

    @staticmethod
    def load(path: Path, n_odd: int, n_even: int) -> SymmetricLogistic:
        """Read what `save` wrote; StoreError where it is not that, or of other numbers of features."""
        shapes = {"odd": n_odd, "even": None, "intercept": None}
        tensors = read_arrays(path, {name: (np.float64, (size,)) for name, size in shapes.items()})
        odd, even, intercept = (tensors[name] for name in shapes)
        if (len(even), len(intercept)) not in ((n_even, 1), (0, 0)):
            came = f"even of the shape {even.shape} and intercept of {intercept.shape}"
            raise refusal(path, came, f"{n_even} weights and one intercept, or none for two outcomes")
        if not len(intercept):
            return SymmetricLogistic(odd, np.zeros(n_even), None)
        return SymmetricLogistic(odd, even, float(intercept[0]))


def fit_lbfgs(
    odd: Matrix,
    even: Matrix,
    targets: Targets,
    strength: float,
    start: SymmetricLogistic | None = None,
    tolerance: float = 1e-5,
    curve: list[float] | None = None,
    stop: Callable[[SymmetricLogistic], bool] | None = None,
) -> SymmetricLogistic:
    """Minimize the L2-penalized log loss; a warning is logged where the solver stops early.

    Parameters
    ----------
    odd, even : array or CSR matrix, shapes (n, p) and (n, q)
        Features on comparable scales.
    targets : Targets
        Of the n rows; with two outcomes, even features are not read.
    strength : float
        Inverse regularization C > 0, as in scikit-learn for the rows, with their weights, and their swapped copies.
    start : SymmetricLogistic or None
        Where to begin, such as a fit at a nearby strength.
    tolerance : float
        Largest entry of the gradient of the mean loss at the solution.
    curve : list of float or None
        Receives the mean penalized loss, in nats, after each iteration.
    """
    width, ties = (odd.shape[1], even.shape[1]), targets.n_outcomes == len(Outcome)
    (odd, odd_seen), (even, even_seen) = _seen(odd), _seen(even if ties else np.empty((len(targets), 0)))
    n, p, q = len(targets) if targets.are_votes else float(targets.weight.sum()), odd.shape[1], even.shape[1]
    loss_of = _loss_of(targets, n)
    odd_t, even_t = odd.T, even.T
    penalty = np.concatenate([np.ones(p) / strength, np.full(q, EVEN_PENALTY / strength), [INTERCEPT_PENALTY]]) / n

    def objective(weights: Floats) -> tuple[float, Floats]:
        loss, slope, tie = loss_of(odd @ weights[:p], even @ weights[p:-1] + weights[-1])
        gradient = np.concatenate([odd_t @ slope, even_t @ tie, [tie.sum()]]) + penalty * weights
        return loss + 0.5 * float(penalty @ weights**2), gradient

    def model_of(weights: Floats) -> SymmetricLogistic:
        model = SymmetricLogistic(np.zeros(width[0]), np.zeros(width[1]), float(weights[-1]) if ties else None)
        model.odd[odd_seen], model.even[even_seen] = weights[:p], weights[p:-1]
        return model

    iterations, stopped = itertools.count(1), False

    def record(intermediate_result: Any) -> None:
        nonlocal stopped
        if curve is not None:
            curve.append(float(intermediate_result.fun))
        if stop is not None and next(iterations) % STOP_EVERY == 0 and stop(model_of(intermediate_result.x)):
            stopped = True
            raise StopIteration

    first = np.zeros(p + q + 1)
    if start is not None:
        first = np.concatenate([start.odd[odd_seen], start.even[even_seen], [start.intercept or 0.0]])
    result = minimize(
        objective, first, jac=True, method="L-BFGS-B", callback=record,
        options={"maxiter": 1000, "gtol": tolerance, "ftol": 1e-12, "maxcor": 20},
    )  # fmt: skip
    if not (result.success or stopped):
        largest = np.abs(result.jac).max()
        log.warning("logistic regression stopped early: %s (largest gradient %.1e)", result.message, largest)
    return model_of(result.x)


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
        Returns the odd inputs (p, b), and the even inputs (q, b) where K = 3, of a slice of b rows.
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
    center = start if center is None else center

    def derivatives(at: Floats) -> tuple[float, Floats, Floats]:
        loss, gradient, curvature = _derivatives(inputs, label, at, tied)
        shrinkage = ridge * (at - center)
        return loss + 0.5 * float(shrinkage @ (at - center)), gradient + shrinkage, curvature + ridge * np.eye(len(at))

    return minimize_newton(derivatives, start, np.broadcast_to(nonnegative, start.shape))


def _log_probabilities(s: Floats, t: Floats | None) -> Floats:
    logits = np.empty((len(s), len(Outcome) if t is not None else 2))
    logits[:, Outcome.A_WINS], logits[:, Outcome.B_WINS] = s, -s
    if t is not None:
        logits[:, Outcome.TIE] = t
    logs: Floats = log_softmax(logits, axis=1)
    return logs


def _loss_of(targets: Targets, n: float) -> Callable[[Floats, Floats], tuple[float, Floats, Floats]]:
    """Return the function from s and t to the loss of the targets, divided by n, and its derivatives by s and t."""
    plain, softened, temperature = targets.plain, targets.softened, targets.temperature
    total = None if targets.are_votes else plain.sum(axis=1, keepdims=True)
    if softened is None:
        return lambda s, t: _loss(s, t, plain, n, total)[:3]
    softened_total = softened.sum(axis=1, keepdims=True)

    def both(s: Floats, t: Floats) -> tuple[float, Floats, Floats]:
        loss, slope, tie, _ = _loss(s, t, plain, n, total)
        soft, soft_slope, soft_tie, _ = _loss(s / temperature, t / temperature, softened, n, softened_total)
        return loss + soft, slope + soft_slope / temperature, tie + soft_tie / temperature

    return both


def _loss(
    s: Floats, t: Floats, target: Floats, n: float, total: Floats | None = None
) -> tuple[float, Floats, Floats, Floats]:
    """Return the log loss of rows divided by n, its derivatives by s and t, and the probabilities.

    `total` is the sum of each row's target, (rows, 1), or None where that is 1.
    """
    logs = _log_probabilities(s, t if target.shape[1] == len(Outcome) else None)
    probabilities = np.exp(logs)
    residual = ((probabilities if total is None else probabilities * total) - target) / n
    slope = residual[:, Outcome.A_WINS] - residual[:, Outcome.B_WINS]
    return -float((logs * target).sum()) / n, slope, _ties(residual), probabilities


def _ties(values: Floats) -> Floats:
    """Return the column of ties, (n,); zeros where there are two outcomes."""
    return values[:, Outcome.TIE] if values.shape[1] == len(Outcome) else np.zeros(len(values))


def _seen(features: Matrix) -> tuple[Matrix, Any]:
    """Drop the columns of sparse features that are zero in every row (most n-grams): their weights are zero too."""
    if not sparse.issparse(features):
        return features, slice(features.shape[1])
    seen = np.flatnonzero(features.getnnz(axis=0))
    return features[:, seen], seen


def _derivatives(inputs: Inputs, label: NDArray[np.int8], point: Floats, tied: bool) -> tuple[float, Floats, Floats]:
    """Return the mean log loss at the coefficients, its gradient and its curvature."""
    n, sums = len(label), None
    for first in range(0, n, BLOCK_ROWS):
        rows = slice(first, first + BLOCK_ROWS)
        odd, *evens = inputs(rows)
        even, tied = evens[0] if evens else odd[:0], tied and bool(evens)
        split, target = 0 if tied else len(odd), one_hot(label[rows], 2 + len(evens))
        loss, slope, tie_slope, probabilities = _loss(point[: len(odd)] @ odd, point[split:] @ even, target, n)
        a, b, tie = probabilities[:, Outcome.A_WINS], probabilities[:, Outcome.B_WINS], _ties(probabilities)
        block: list[Any] = [
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
