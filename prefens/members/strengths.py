"""Members' logistic regressions on scaled features; their regularization is chosen on inner folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import ConfigError
from prefens.core.feature_scaling import Block, PairScaling
from prefens.core.metrics import row_losses
from prefens.core.symmetric_logistic import Matrix, SymmetricLogistic, fit_lbfgs
from prefens.core.teaching import Targets
from prefens.core.types import Floats
from prefens.members.base import FitReport

ONE_FOLD_ROWS = 20_000  # from this number of votes on, one inner fold is enough to compare strengths
QUICK_TOLERANCE = 1e-4  # of fits that are only compared


def check_strengths(strengths: Sequence[float]) -> None:
    """Check the setting `backbone.strengths`.

    Raises
    ------
    ConfigError
        The strengths are none, not positive, or not ascending.
    """
    if not strengths or min(strengths) <= 0 or list(strengths) != sorted(strengths):
        raise ConfigError(
            f"backbone.strengths={list(strengths)}", "positive numbers, ascending", "set [0.01, 0.1, 1.0], say"
        )


@dataclass(frozen=True, eq=False)
class ScaledLogistic:
    """A logistic regression on scaled features, as one thing that is fitted, saved and loaded.

    Attributes
    ----------
    scaling : PairScaling
        Of the training rows.
    model : SymmetricLogistic
        Fitted on the scaled features.
    """

    scaling: PairScaling
    model: SymmetricLogistic

    @classmethod
    def fit(
        cls,
        odd: Sequence[Block],
        even: Sequence[Block],
        targets: Targets,
        inner: NDArray[np.int8],
        strengths: Sequence[float],
    ) -> tuple[Self, FitReport]:
        """Return the regression at the best strength, and the report of `fit_best`."""
        scaling = PairScaling.fit(odd, even)
        model, report = fit_best(*scaling.apply(odd, even), targets, inner, strengths)
        return cls(scaling, model), report

    def predict_proba(self, odd: Sequence[Block], even: Sequence[Block]) -> Floats:
        """Return (n, K) outcome probabilities."""
        return self.model.predict_proba(*self.scaling.apply(odd, even))

    def contributions(self, odd: Sequence[Block], even: Sequence[Block]) -> Floats:
        """Return what each odd feature adds to the log odds of A over B, (n, p); the log odds are the rows' sums."""
        left, _ = self.scaling.apply(odd, even)
        contributions: Floats = left * (2.0 * self.model.odd)  # the logits of winning and losing are s and -s
        return contributions

    def save(self, directory: Path) -> None:
        """Write scaling.safetensors and model.safetensors."""
        self.scaling.save(directory / "scaling.safetensors")
        self.model.save(directory / "model.safetensors")

    @classmethod
    def load(cls, directory: Path, n_odd: int, n_even: int) -> Self:
        """Return what `save` wrote for so many features; StoreError where the files hold something else."""
        return cls(
            PairScaling.load(directory / "scaling.safetensors", n_odd, n_even),
            SymmetricLogistic.load(directory / "model.safetensors", n_odd, n_even),
        )


def fit_best(
    odd: Matrix,
    even: Matrix,
    targets: Targets,
    inner: NDArray[np.int8],
    strengths: Sequence[float],
    quick: bool = False,
) -> tuple[SymmetricLogistic, FitReport]:
    """Fit all rows at the best strength; the parameters are those of `choose_strength`.

    Returns
    -------
    model : SymmetricLogistic
        Fitted on all rows.
    report : FitReport
        The curve "train_objective"; the metrics "strength", "inner_log_loss" (nats) and "parameters".
    """
    strength, loss = choose_strength(odd, even, targets, inner, strengths, quick)
    curve: list[float] = []
    model = fit_lbfgs(odd, even, targets, strength, tolerance=QUICK_TOLERANCE if quick else 1e-5, curve=curve)
    metrics = {"strength": strength, "inner_log_loss": loss, "parameters": model.size}
    return model, FitReport({"train_objective": curve}, metrics)


def choose_strength(
    odd: Matrix,
    even: Matrix,
    targets: Targets,
    inner: NDArray[np.int8],
    strengths: Sequence[float],
    quick: bool = False,
) -> tuple[float, float]:
    """Return the strength with the lowest inner cross-validated log loss, and that loss.

    Parameters
    ----------
    odd : matrix, shape (n, p)
        Features that change sign when A and B change places.
    even : matrix, shape (n, q)
        Features that stay.
    targets : Targets
        Of the n rows. All of them are learned from; the loss is that of votes, on rows that have one.
    inner : int8 array, shape (n,)
        The inner fold of each row. From ONE_FOLD_ROWS votes on, one fold is scored, else all.
    strengths : sequence of float
        Inverse regularizations to try, ascending; the search ends at the first that is worse than the one before.
    quick : bool
        For features of which a product takes long: one fold is scored whatever the number of rows, the last fit ends
        at QUICK_TOLERANCE too, and a fit that is compared ends where it becomes worse than the strength before.

    Returns
    -------
    strength : float
        With a single inner fold nothing can be compared: it is the first one, the strongest regularization.
    loss : float, nats
        NaN with a single inner fold.
    """
    numbers = np.unique(inner[targets.voted])
    if len(numbers) < 2:
        return strengths[0], float("nan")
    scored = numbers[: 1 if quick or targets.voted.sum() >= ONE_FOLD_ROWS else None]
    models: dict[int, SymmetricLogistic | None] = dict.fromkeys(scored.tolist())
    best, lowest = strengths[0], np.inf
    for strength in strengths:
        losses = []
        for number, start in models.items():
            limit = lowest if quick else np.inf
            models[number], some = _compared_fit(odd, even, targets, inner == number, strength, start, limit)
            losses.append(some)
        loss = float(np.concatenate(losses).mean())
        if loss > lowest:
            break
        best, lowest = strength, loss
    return best, lowest


def _compared_fit(
    odd: Matrix,
    even: Matrix,
    targets: Targets,
    held_out: NDArray[np.bool_],
    strength: float,
    start: SymmetricLogistic | None,
    limit: float,
) -> tuple[SymmetricLogistic, Floats]:
    """Return a fit to the other rows and the losses of votes held out; a fit whose mean is above `limit` ends early."""
    train, valid = np.flatnonzero(~held_out), np.flatnonzero(held_out & targets.voted)

    def losses(model: SymmetricLogistic) -> Floats:
        return row_losses(model.predict_proba(odd[valid], even[valid]), targets.vote[valid])

    def is_worse(model: SymmetricLogistic) -> bool:
        return float(losses(model).mean()) > limit

    stop = is_worse if np.isfinite(limit) else None
    model = fit_lbfgs(odd[train], even[train], targets.take(train), strength, start, QUICK_TOLERANCE, stop=stop)
    return model, losses(model)
