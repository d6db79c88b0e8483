"""The regularisation of members' logistic regressions, chosen on inner folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import ConfigError
from prefens.core.metrics import row_losses
from prefens.core.symmetric_logistic import Matrix, SymmetricLogistic, fit_lbfgs
from prefens.members.base import FitReport

ONE_FOLD_ROWS = 20_000  # rows from which one inner fold tells regularisations apart


def check_strengths(grid: Sequence[float]) -> None:
    """Raise ConfigError for a grid that is empty, not positive or not ascending."""
    if not grid or min(grid) <= 0 or list(grid) != sorted(grid):
        raise ConfigError(
            f"backbone.strengths={list(grid)}", "positive numbers, ascending", "set [0.01, 0.1, 1.0], say"
        )


def fit_best(
    odd: Matrix, even: Matrix, label: NDArray[np.int8], inner: NDArray[np.int8], grid: Sequence[float]
) -> tuple[SymmetricLogistic, FitReport]:
    """Fit all rows at the strength that `choose_strength` returns for the same arguments; report both."""
    strength, loss = choose_strength(odd, even, label, inner, grid)
    curve: list[float] = []
    model = fit_lbfgs(odd, even, label, strength, curve=curve)
    facts = {"strength": strength, "inner_log_loss": loss, "parameters": model.size}
    return model, FitReport({"train_objective": curve}, facts)


def choose_strength(
    odd: Matrix, even: Matrix, label: NDArray[np.int8], inner: NDArray[np.int8], grid: Sequence[float]
) -> tuple[float, float]:
    """Return the strength with the lowest inner cross-validated log loss, and that loss in nats.

    Parameters
    ----------
    odd, even, label : as in `fit_lbfgs`.
    inner : (n,) inner fold of each row; for ONE_FOLD_ROWS rows one of them is scored, else all. Where there is a
        single one, nothing can be compared: the strongest regularisation is taken, with a loss of NaN.
    grid : strengths to try, ascending; the search ends at the first that is worse than the one before.
    """
    numbers = np.unique(inner)
    if len(numbers) < 2:
        return grid[0], float("nan")
    scored = numbers[: 1 if len(label) >= ONE_FOLD_ROWS else None]
    models: dict[int, SymmetricLogistic | None] = dict.fromkeys(scored.tolist())
    best, lowest = grid[0], np.inf
    for strength in grid:
        losses = []
        for index in models:
            train, valid = np.flatnonzero(inner != index), np.flatnonzero(inner == index)
            start = models[index]
            model = fit_lbfgs(odd[train], even[train], label[train], strength, start=start, tolerance=1e-4)
            losses.append(row_losses(model.predict_proba(odd[valid], even[valid]), label[valid]))
            models[index] = model
        loss = float(np.concatenate(losses).mean())
        if loss > lowest:
            break
        best, lowest = strength, loss
    return best, lowest
