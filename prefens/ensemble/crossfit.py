"""Honest scores: every fitted quantity is refitted without the fold that it is scored on, and so is the choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from prefens.ensemble.base import Blender
from prefens.ensemble.calibration import Calibrated, Calibration
from prefens.errors import BlendError
from prefens.evaluation.metrics import clustered_error, log_loss, row_losses
from prefens.records import Floats, OOFStack
from prefens.results import BlendResult, Choice

Calibrations = Sequence[type[Calibration]]


def evaluate(
    blenders: Iterable[Blender], stack: OOFStack, holdout: OOFStack | None = None, calibrations: Calibrations = ()
) -> tuple[list[BlendResult], Choice | None]:
    """Fit blenders on all rows and cross-fit them, each as it is and with each calibration behind it.

    The folds are the members' own. What is used on fold k was fitted without fold k's labels, though members of
    other folds were trained on them: the cross-fitted score of a blend is as honest as out-of-fold scores get, and
    only a hold-out that nothing saw is more so.

    The choice between methods is nested: for fold k, methods fitted without folds k and j are scored on fold j,
    for all j; the winner, fitted without k, is scored on k. With k = 5 folds that is 16 fits a method. It is None
    where there are fewer than three folds.
    """
    blenders = list(blenders)
    numbers = [int(number) for number in np.unique(stack.folds.fold)]
    if len(numbers) < 2:
        raise BlendError(f"{len(numbers)} fold", "two or more to score a blend across", "train with more folds")
    fitted = fit_all(blenders, calibrations, stack)
    honest = {name: np.empty(stack.probabilities.shape[1:]) for name in fitted}
    for out in numbers:
        for name, rows, predicted in _predictions(blenders, calibrations, stack, (out,)):
            honest[name][rows] = predicted
    results = [_result(name, blender, honest[name], stack, holdout) for name, blender in fitted.items()]
    return results, _choose(blenders, calibrations, stack, honest) if len(numbers) > 2 else None


def cross_fit(blender: Blender, stack: OOFStack) -> Floats:
    """Return (n, 3) predictions: those of each fold from a blender fitted on the rows of the other folds."""
    predictions = np.empty(stack.probabilities.shape[1:])
    for out in np.unique(stack.folds.fold):
        for _, rows, predicted in _predictions([blender], (), stack, (int(out),)):
            predictions[rows] = predicted
    return predictions


def fit_all(blenders: Iterable[Blender], calibrations: Calibrations, stack: OOFStack) -> dict[str, Blender]:
    """Return fitted copies of the blenders by name, followed each by its calibrated forms."""
    fitted: dict[str, Blender] = {}
    for blender in blenders:
        base = deepcopy(blender).fit(stack)
        fitted[base.name] = base
        if calibrations:
            predicted = base.predict(stack.probabilities, stack.features)
            for kind in calibrations:
                calibrated = Calibrated(base, kind().fit(predicted, stack.folds.label))
                fitted[calibrated.name] = calibrated
    return fitted


def _predictions(
    blenders: Iterable[Blender], calibrations: Calibrations, stack: OOFStack, out: Sequence[int]
) -> Iterable[tuple[str, NDArray[np.bool_], Floats]]:
    """Yield name, (n,) rows and predictions for the folds `out` of each method, fitted on the other folds."""
    held_out = np.isin(stack.folds.fold, out)
    fitted = fit_all(blenders, calibrations, stack.rows(~held_out))
    test = stack.rows(held_out)
    for name, blender in fitted.items():
        yield name, held_out, blender.predict(test.probabilities, test.features)


def _choose(
    blenders: Sequence[Blender], calibrations: Calibrations, stack: OOFStack, honest: dict[str, Floats]
) -> Choice:
    fold, label = stack.folds.fold, stack.folds.label
    numbers = [int(number) for number in np.unique(fold)]
    lost = {number: dict.fromkeys(honest, 0.0) for number in numbers}
    for pair in combinations(numbers, 2):
        for name, rows, predicted in _predictions(blenders, calibrations, stack, pair):
            losses = row_losses(predicted, label[rows])
            for outer, scored in (pair, pair[::-1]):
                lost[outer][name] += float(losses[fold[rows] == scored].sum())
    chosen = {outer: min(losses, key=lambda name: losses[name]) for outer, losses in lost.items()}
    probabilities = np.empty_like(next(iter(honest.values())))
    for outer, name in chosen.items():
        probabilities[fold == outer] = honest[name][fold == outer]
    losses = row_losses(probabilities, label)
    return Choice(chosen, float(losses.mean()), clustered_error(losses, stack.folds.group), probabilities, len(honest))


def _result(name: str, blender: Blender, honest: Floats, stack: OOFStack, holdout: OOFStack | None) -> BlendResult:
    losses = row_losses(honest, stack.folds.label)
    held_out = None if holdout is None else blender.predict(holdout.probabilities, holdout.features)
    return BlendResult(
        method=name,
        weights=blender.weights,
        fitted=log_loss(blender.predict(stack.probabilities, stack.features), stack.folds.label),
        honest=float(losses.mean()),
        honest_se=clustered_error(losses, stack.folds.group),
        probabilities=honest,
        holdout=None if holdout is None or held_out is None else log_loss(held_out, holdout.folds.label),
        state=blender.state(),
    )
