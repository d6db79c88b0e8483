"""Honest scores: every fitted quantity is refitted without the fold that it is scored on, and so is the choice."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import BlendError, ConfigError
from prefens.core.metrics import clustered_error, log_loss, row_losses
from prefens.core.types import Floats, OOFStack
from prefens.ensemble.base import Blender
from prefens.ensemble.calibration import Calibrated, Calibration
from prefens.ensemble.results import BlendResult, Choice

log = logging.getLogger(__name__)

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
    blenders = _distinct(blenders)
    if len(np.unique(stack.folds.fold)) < 2:
        raise BlendError("a single fold", "two or more to score a blend across", "train with more folds")
    if len(set(stack.folds.group)) < 2:
        raise BlendError("a single prompt group", "two or more, or no error can be estimated", "give more prompts")
    while True:
        try:
            return _evaluate(blenders, stack, holdout, calibrations)
        except MethodFailed as failed:
            blenders = [blender for blender in blenders if blender.name != failed.method]
            if not blenders:
                raise
            log.warning("%s is left out: %s", failed.method, failed.came)


def _evaluate(
    blenders: Sequence[Blender], stack: OOFStack, holdout: OOFStack | None, calibrations: Calibrations
) -> tuple[list[BlendResult], Choice | None]:
    fitted = fit_all(blenders, calibrations, stack)
    honest = cross_fit(blenders, stack, calibrations)
    results = [_result(name, blender, honest[name], stack, holdout) for name, blender in fitted.items()]
    return results, _choose(blenders, calibrations, stack, honest) if len(np.unique(stack.folds.fold)) > 2 else None


def leader(losses: Mapping[str, float], rows: int = 1) -> str:
    """Return the method with the lowest loss, summed over `rows`; of those as good within 1e-6 nats, the first."""
    lowest = min(losses.values())
    return next(name for name, loss in losses.items() if loss <= lowest + 1e-6 * rows)


def cross_fit(blenders: Sequence[Blender], stack: OOFStack, calibrations: Calibrations = ()) -> dict[str, Floats]:
    """Return (n, K) predictions by method: those of each fold from a blender fitted on the rows of the other folds."""
    found = defaultdict[str, Floats](lambda: np.empty(stack.probabilities.shape[1:]))
    for out in np.unique(stack.folds.fold):
        for name, rows, predicted in _predictions(blenders, calibrations, stack, (int(out),)):
            found[name][rows] = predicted
    return dict(found)


def fit_all(blenders: Iterable[Blender], calibrations: Calibrations, stack: OOFStack) -> dict[str, Blender]:
    """Return fitted copies of the blenders by name, followed each by its calibrated forms."""
    fitted: dict[str, Blender] = {}
    for blender in blenders:
        try:
            for each in _family(deepcopy(blender).fit(stack), calibrations, stack):
                fitted[each.name] = each
        except (BlendError, ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            raise MethodFailed(blender.name, error) from error
    return fitted


class MethodFailed(BlendError):
    """A method that could not be fitted to some of the rows; the others may do without it."""

    def __init__(self, method: str, error: Exception) -> None:
        self.method = method
        super().__init__(f"{method}: {str(error).splitlines()[0]}", "a method that fits", "choose others with blender=")


def _family(base: Blender, calibrations: Calibrations, stack: OOFStack) -> Iterator[Blender]:
    """Yield a fitted blender and its calibrated forms, but for those that it already contains."""
    yield base
    kinds = [kind for kind in calibrations if kind.name not in base.CONTAINS]
    if kinds:
        predicted = base.predict(stack.probabilities, stack.features)
        for kind in kinds:
            yield Calibrated(base, kind().fit(predicted, stack.folds.label))


def _distinct(blenders: Iterable[Blender]) -> list[Blender]:
    found = list(blenders)
    doubled = {blender.name for blender in found if [each.name for each in found].count(blender.name) > 1}
    if doubled:
        raise ConfigError(
            f"{', '.join(sorted(doubled))} twice",
            "each method once",
            "leave one out, or blend twice with other settings",
        )
    return found


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
            for outer, inner in (pair, pair[::-1]):
                lost[outer][name] += float(losses[fold[rows] == inner].sum())
    scored = {outer: int((fold != outer).sum()) for outer in numbers}
    chosen = {outer: leader(losses, scored[outer]) for outer, losses in lost.items()}
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
