"""Multinomial logistic regression that cannot tell which response is shown first.

With s = x_odd . u and t = x_even . v + c the logits of (A wins, B wins, tie) are (s, -s, t), where x_odd changes
sign and x_even stays when A and B change places. By convexity this is the solution of ordinary L2-penalised
multinomial regression on the data and its swapped copy, at half the rows and a third of the weights. It is the
Davidson (1970) model with linear strengths and a linear log tie parameter.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_softmax

from prefens.core.errors import ConfigError
from prefens.core.metrics import row_losses
from prefens.core.types import Floats, Outcome

log = logging.getLogger(__name__)

EVEN_PENALTY = 1.0 / 3.0  # a tie weight v is shared out as (-v/3, -v/3, 2v/3) over the three classes
MANY = 20_000  # rows from which one inner fold tells regularisations apart
ROTATED_ROWS = 3000  # an eigendecomposition of this size takes seconds
INTERCEPT_PENALTY = 1e-3  # keeps the tie logit finite where no tie, or nothing else, was seen
Matrix = Any  # (n, p) numpy array or scipy CSR matrix


@dataclass(frozen=True, eq=False)
class SymmetricLogistic:
    """Fitted weights: `odd` (p,), `even` (q,) and the tie intercept."""

    odd: Floats
    even: Floats
    intercept: float

    @property
    def size(self) -> int:
        """The number of weights."""
        return len(self.odd) + len(self.even) + 1

    def predict_proba(self, odd: Matrix, even: Matrix) -> Floats:
        """Return (n, 3) float64 probabilities for odd (n, p) and even (n, q) features."""
        return np.exp(_log_probabilities(odd @ self.odd, even @ self.even + self.intercept))

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


def fit(
    odd: Matrix,
    even: Matrix,
    label: NDArray[np.int8],
    strength: float,
    start: SymmetricLogistic | None = None,
    tolerance: float = 1e-5,
    curve: list[float] | None = None,
) -> SymmetricLogistic:
    """Minimise the penalised log loss with L-BFGS.

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
    (odd, seen), (even, even_seen) = _seen(odd), _seen(even)
    n, p, q = len(label), odd.shape[1], even.shape[1]
    target = np.eye(len(Outcome))[label.astype(np.int64)]
    odd_t, even_t = odd.T, even.T
    penalty = np.concatenate([np.ones(p) / strength, np.full(q, EVEN_PENALTY / strength), [INTERCEPT_PENALTY]]) / n

    def objective(weights: Floats) -> tuple[float, Floats]:
        logs = _log_probabilities(odd @ weights[:p], even @ weights[p:-1] + weights[-1])
        residual = (np.exp(logs) - target) / n
        slope = residual[:, Outcome.A_WINS] - residual[:, Outcome.B_WINS]
        tie = residual[:, Outcome.TIE]
        gradient = np.concatenate([odd_t @ slope, even_t @ tie, [tie.sum()]]) + penalty * weights
        return -float((logs * target).sum()) / n + 0.5 * float(penalty @ weights**2), gradient

    def record(intermediate_result: Any) -> None:
        if curve is not None:
            curve.append(float(intermediate_result.fun))

    first = (
        np.zeros(p + q + 1)
        if start is None
        else np.concatenate([start.odd[seen], start.even[even_seen], [start.intercept]])
    )
    found = minimize(
        objective, first, jac=True, method="L-BFGS-B", callback=record,
        options={"maxiter": 1000, "gtol": tolerance, "ftol": 1e-12, "maxcor": 20},
    )  # fmt: skip
    if not found.success:
        log.warning(
            "logistic regression stopped early: %s (largest gradient %.1e)", found.message, np.abs(found.jac).max()
        )
    model = SymmetricLogistic(np.zeros(width[0]), np.zeros(width[1]), float(found.x[-1]))
    model.odd[seen], model.even[even_seen] = found.x[:p], found.x[p:-1]
    return model


def check_strengths(grid: Sequence[float]) -> None:
    """Refuse a grid that is empty, not positive or not ascending."""
    if not grid or min(grid) <= 0 or list(grid) != sorted(grid):
        raise ConfigError(
            f"backbone.strengths={list(grid)}", "positive numbers, ascending", "set [0.01, 0.1, 1.0], say"
        )


def choose_strength(
    odd: Matrix,
    even: Matrix,
    label: NDArray[np.int8],
    inner: NDArray[np.int8],
    grid: Sequence[float],
) -> tuple[float, float]:
    """Return the strength with the lowest inner cross-validated log loss, and that loss in nats.

    Parameters
    ----------
    inner : (n,) inner fold of each row; for MANY rows one of them is scored, else all. Where there is a single one,
        nothing can be compared: the strongest regularisation is taken, with a loss of NaN.
    grid : strengths to try, ascending; the search ends at the first that is worse than the one before.
    """
    numbers = np.unique(inner)
    if len(numbers) < 2:
        return grid[0], float("nan")
    scored = numbers[: 1 if len(label) >= MANY else None]
    models: dict[int, SymmetricLogistic | None] = dict.fromkeys(scored.tolist())
    best, lowest = grid[0], np.inf
    for strength in grid:
        losses = []
        for index in models:
            train, valid = np.flatnonzero(inner != index), np.flatnonzero(inner == index)
            start = models[index]
            model = fit(odd[train], even[train], label[train], strength, start=start, tolerance=1e-4)
            losses.append(row_losses(model.predict_proba(odd[valid], even[valid]), label[valid]))
            models[index] = model
        loss = float(np.concatenate(losses).mean())
        if loss > lowest:
            break
        best, lowest = strength, loss
    return best, lowest


@dataclass(frozen=True, eq=False)
class Rotated:
    """Features in the coordinates of their own rows, (n, r); `back` maps (r,) weights to those of the features."""

    rows: Matrix
    basis: Matrix | None = None
    inverse: Floats | None = None

    def back(self, weights: Floats) -> Floats:
        """Return the weights of the original features that give the same predictions, with the same norm."""
        if self.basis is None or self.inverse is None:
            return weights
        original: Floats = self.basis.T @ (self.inverse @ weights)
        return original


def rotate(features: Matrix) -> Rotated:
    """Turn sparse (n, p) features with more columns than rows into dense (n, r) ones, r <= n.

    An L2-penalised linear model has its solution in the span of the rows (the representer theorem), so fits on
    these rows, or on some of them, are the same, at n instead of p weights. Large data is returned as it is.
    """
    if not sparse.issparse(features) or features.shape[0] > ROTATED_ROWS or features.shape[0] >= features.shape[1]:
        return Rotated(features)
    values, vectors = np.linalg.eigh((features @ features.T).toarray().astype(np.float64))
    kept = values > 1e-9 * max(values[-1], 1e-300)
    root = np.sqrt(values[kept])
    return Rotated(vectors[:, kept] * root, features, vectors[:, kept] / root)


def _seen(features: Matrix) -> tuple[Matrix, Any]:
    """Drop the columns of sparse features that no row has: most n-grams. Their weights are zero at the solution."""
    if not sparse.issparse(features):
        return features, slice(None)
    seen = np.flatnonzero(features.getnnz(axis=0))
    return features[:, seen], seen


def _log_probabilities(strength: Floats, tie: Floats) -> Floats:
    logits = np.empty((len(strength), len(Outcome)))
    logits[:, Outcome.A_WINS], logits[:, Outcome.B_WINS], logits[:, Outcome.TIE] = strength, -strength, tie
    logs: Floats = log_softmax(logits, axis=1)
    return logs
