"""Honest scores: whatever is fitted is refitted without the fold that it is scored on, the selected method included."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import BlendError, ConfigError
from prefens.core.fold_run import training_rows
from prefens.core.metrics import clustered_error, log_loss, row_hits, row_losses
from prefens.core.types import Floats, Folds, OOFStack
from prefens.ensemble.base import Blender
from prefens.ensemble.calibration import Calibrated, Calibration
from prefens.ensemble.results import BlendResult, NestedSelection

log = logging.getLogger(__name__)

Calibrations = Sequence[type[Calibration]]


class MethodFailed(BlendError):
    """A method that can't be fitted to some of the rows; the other methods can go on without it.

    Parameters
    ----------
    method : str
        Name of the method.
    error : Exception
        What its fit raised.
    """

    def __init__(self, method: str, error: Exception) -> None:
        self.method = method
        super().__init__(f"{method}: {str(error).splitlines()[0]}", "a method that fits", "choose others with blender=")


def evaluate(
    blenders: Iterable[Blender],
    stack: OOFStack,
    holdout: OOFStack | None = None,
    calibrations: Calibrations = (),
    metric: str = "log_loss",
) -> tuple[list[BlendResult], NestedSelection | None]:
    """Fit blenders on all rows and cross-fit them, each as it is and with each calibration behind it.

    The folds are the members' own. What is used on fold k was fitted without fold k's labels, though members of
    other folds were trained on them: the cross-fitted score of a blend is as honest as out-of-fold scores get, and
    only a hold-out that nothing saw is more so.

    The selection between methods is nested: for fold k, methods fitted without folds k and j are scored on fold j,
    for all j; the best one, fitted without k, is scored on k. With k = 5 folds that is 16 fits a method. A method that
    can't be fitted is left out, with a warning.

    Parameters
    ----------
    blenders : iterable of Blender
        The methods, each with another name.
    stack : OOFStack
        The members on the scored rows.
    holdout : OOFStack or None
        The members on rows that nothing saw, to be scored too.
    calibrations : sequence of types of Calibration
        Calibrations to put behind each method.
    metric : str
        What the selection goes by, one of `METRICS`; the methods are fitted for log loss in any case.

    Returns
    -------
    results : list of BlendResult
        One per method, followed each by its calibrated forms.
    nested : NestedSelection or None
        The selection between them; None where there are fewer than three folds, or where two of them, which are
        sources, have all prompts.

    Raises
    ------
    BlendError
        If there are fewer than two folds or prompt groups, or if no method can be fitted.
    ConfigError
        If two methods have the same name.
    """
    blenders = _distinct(blenders)
    if len(np.unique(stack.folds.fold)) < 2:
        raise BlendError("a single fold", "two or more to score a blend across", "train with more folds")
    if len(set(stack.folds.group)) < 2:
        raise BlendError("a single prompt group", "two or more, or no error can be estimated", "give more prompts")
    while True:
        try:
            fitted = fit_all(blenders, calibrations, stack)
            honest = cross_fit(blenders, stack, calibrations)
            results = [score_method(blender, honest[name], stack, holdout) for name, blender in fitted.items()]
            nested = _can_nest(stack.folds)
            return results, _select_nested(blenders, calibrations, stack, honest, metric) if nested else None
        except MethodFailed as failed:
            blenders = [blender for blender in blenders if blender.name != failed.method]
            if not blenders:
                raise
            log.warning("%s is left out: %s", failed.method, failed.came)


def row_costs(probabilities: Floats, label: NDArray[np.int8], metric: str) -> Floats:
    """Return what each of n predictions costs, (n,): nats of log loss, or its part in the share of errors."""
    return row_losses(probabilities, label) if metric == "log_loss" else 1.0 - row_hits(probabilities, label)


def best_method(losses: Mapping[str, float], rows: int = 1) -> str:
    """Return the method with the lowest loss; of those as good within 1e-6, the first.

    Parameters
    ----------
    losses : dict of str to float
        From a method to its log loss in nats, or its errors, summed over `rows` rows.
    rows : int
        Number of rows; 1 for means.
    """
    lowest = min(losses.values())
    return next(name for name, loss in losses.items() if loss <= lowest + 1e-6 * rows)


def cross_fit(blenders: Sequence[Blender], stack: OOFStack, calibrations: Calibrations = ()) -> dict[str, Floats]:
    """Predict each fold by blenders that are fitted on the rows of the other folds.

    Parameters
    ----------
    blenders : sequence of Blender
        The methods.
    stack : OOFStack
        The members on the scored rows.
    calibrations : sequence of types of Calibration
        Calibrations to put behind each method.

    Returns
    -------
    dict of str to ndarray of shape (n, K)
        From a method, and each of its calibrated forms, to its honest predictions.

    Raises
    ------
    MethodFailed
        If a method can't be fitted.
    """
    honest = defaultdict[str, Floats](lambda: np.empty(stack.probabilities.shape[1:]))
    for fold in np.unique(stack.folds.fold):
        for name, rows, predicted in _predict_folds(blenders, calibrations, stack, (int(fold),)):
            honest[name][rows] = predicted
    return dict(honest)


def fit_all(blenders: Iterable[Blender], calibrations: Calibrations, stack: OOFStack) -> dict[str, Blender]:
    """Return fitted copies of blenders by name, followed each by its calibrated forms.

    Raises
    ------
    MethodFailed
        If a method can't be fitted.
    """
    fitted: dict[str, Blender] = {}
    for blender in blenders:
        try:
            for each in _with_calibrations(deepcopy(blender).fit(stack), calibrations, stack):
                fitted[each.name] = each
        except (BlendError, ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            raise MethodFailed(blender.name, error) from error
    return fitted


def score_method(blender: Blender, honest: Floats, stack: OOFStack, holdout: OOFStack | None = None) -> BlendResult:
    """Return the scores of a method.

    Parameters
    ----------
    blender : Blender
        The method, fitted on all rows of the stack.
    honest : ndarray of shape (n, K)
        Its cross-fitted predictions.
    stack : OOFStack
        The members on the n scored rows.
    holdout : OOFStack or None
        The members on rows that nothing saw.
    """
    losses = row_losses(honest, stack.folds.label)
    held_out = None if holdout is None else blender.predict(holdout.probabilities, holdout.features)
    return BlendResult(
        method=blender.name,
        weights=blender.weights,
        fitted=log_loss(blender.predict(stack.probabilities, stack.features), stack.folds.label),
        honest=float(losses.mean()),
        honest_se=clustered_error(losses, stack.folds.group),
        probabilities=honest,
        holdout=None if holdout is None or held_out is None else log_loss(held_out, holdout.folds.label),
        state=blender.state(),
    )


def _distinct(blenders: Iterable[Blender]) -> list[Blender]:
    distinct = list(blenders)
    names = [blender.name for blender in distinct]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ConfigError(
            f"{', '.join(sorted(doubled))} twice",
            "each method once",
            "leave one out, or blend twice with other settings",
        )
    return distinct


def _with_calibrations(base: Blender, calibrations: Calibrations, stack: OOFStack) -> Iterator[Blender]:
    """Yield a fitted blender and its calibrated forms, but for calibrations that it contains already."""
    yield base
    kinds = [kind for kind in calibrations if kind.name not in base.CONTAINS]
    if kinds:
        predicted = base.predict(stack.probabilities, stack.features)
        for kind in kinds:
            yield Calibrated(base, kind().fit(predicted, stack.folds.label, stack.folds.fold))


def _predict_folds(
    blenders: Iterable[Blender], calibrations: Calibrations, stack: OOFStack, folds: Sequence[int]
) -> Iterable[tuple[str, NDArray[np.bool_], Floats]]:
    """Yield name, (n,) rows and their predictions for some folds by each method, fitted on the other folds."""
    held_out = np.isin(stack.folds.fold, folds)
    fitted = fit_all(blenders, calibrations, stack.rows(training_rows(stack.folds, held_out)))
    test = stack.rows(held_out)
    for name, blender in fitted.items():
        yield name, held_out, blender.predict(test.probabilities, test.features)


def _can_nest(folds: Folds) -> bool:
    """Return whether something is left to fit on without any two folds."""
    numbers = np.unique(folds.fold)
    pairs = combinations(numbers, 2)
    return len(numbers) > 2 and all(training_rows(folds, np.isin(folds.fold, pair)).any() for pair in pairs)


def _select_nested(
    blenders: Sequence[Blender], calibrations: Calibrations, stack: OOFStack, honest: dict[str, Floats], metric: str
) -> NestedSelection:
    fold, label = stack.folds.fold, stack.folds.label
    numbers = [int(number) for number in np.unique(fold)]
    summed = {number: dict.fromkeys(honest, 0.0) for number in numbers}  # outer fold -> method -> nats, on the others
    usable = {number: training_rows(stack.folds, fold == number) for number in numbers}
    for pair in combinations(numbers, 2):
        for name, rows, predicted in _predict_folds(blenders, calibrations, stack, pair):
            losses = row_costs(predicted, label[rows], metric)
            for outer, inner in (pair, pair[::-1]):
                summed[outer][name] += float(losses[(fold[rows] == inner) & usable[outer][rows]].sum())
    method_by_fold = {outer: best_method(losses, int(usable[outer].sum())) for outer, losses in summed.items()}
    probabilities = np.empty_like(next(iter(honest.values())))
    for outer, name in method_by_fold.items():
        probabilities[fold == outer] = honest[name][fold == outer]
    losses = row_losses(probabilities, label)
    error = clustered_error(losses, stack.folds.group)
    return NestedSelection(method_by_fold, float(losses.mean()), error, probabilities, len(honest))
