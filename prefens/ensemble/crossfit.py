"""Honest scores: every fitted quantity is refitted without the fold that it is scored on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prefens.ensemble.base import Blender
from prefens.evaluation.metrics import clustered_error, log_loss, row_losses
from prefens.records import BlendResult, Floats, OOFStack


def cross_fit(make: Callable[[], Blender], stack: OOFStack) -> Floats:
    """Return (n, 3) predictions: those of each fold from a blender fitted on the rows of the other folds.

    The folds are the members' own. Weights used on fold k have not seen fold k's labels, though members of
    other folds were trained on them: the cross-fitted score of a blend is as honest as out-of-fold scores get,
    and only a hold-out that nothing saw is more so.
    """
    fold = stack.folds.fold
    predictions: Floats = np.empty_like(stack.probabilities[0])
    for index in np.unique(fold):
        held_out = fold == index
        blender = make().fit(stack.rows(~held_out))
        predictions[held_out] = blender.predict(stack.probabilities[:, held_out])
    return predictions


def evaluate(make: Callable[[], Blender], stack: OOFStack, holdout: OOFStack | None = None) -> BlendResult:
    """Fit a blender on all rows, cross-fit it for its honest score, and score it on the hold-out rows."""
    blender = make().fit(stack)
    honest = cross_fit(make, stack)
    losses = row_losses(honest, stack.folds.label)
    return BlendResult(
        method=blender.name,
        weights=blender.weights,
        fitted=log_loss(blender.predict(stack.probabilities), stack.folds.label),
        honest=float(losses.mean()),
        honest_se=clustered_error(losses, stack.folds.group),
        probabilities=honest,
        holdout=None
        if holdout is None
        else log_loss(blender.predict(holdout.probabilities, holdout.features), holdout.folds.label),
        state=blender.state(),
    )
