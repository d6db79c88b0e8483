"""The leaderboard: members, blends and points of reference, scored on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import entr

from prefens.core.bootstrap import GroupBootstrap
from prefens.core.fold_run import is_by_source, training_rows
from prefens.core.metrics import (
    accuracy,
    calibration_error,
    clustered_error,
    log_loss,
    outcome_counts,
    outcome_shares,
    row_losses,
)
from prefens.core.types import Floats, Folds, OOFStack
from prefens.ensemble.results import BlendResult, Differences, NestedSelection, OtherSplit


@dataclass(frozen=True)
class Scores:
    """The scores of one prediction.

    Attributes
    ----------
    log_loss : float
        Mean over the rows, in nats.
    log_loss_se : float
        Standard error of `log_loss` in nats, clustered by prompt group.
    accuracy : float in [0, 1]
        Share of rows whose most probable outcome is the true one.
    calibration_error : float in [0, 1]
        Classwise expected calibration error.
    below_prior : float
        Nats gained over always predicting the outcome shares (see `prior_predictions`).
    above_bayes : float or None
        Nats lost against the true probabilities on the same rows; None where they are not known.
    above_symmetric_bayes : float or None
        Likewise, against the best predictor that can't see which response is first.
    """

    log_loss: float
    log_loss_se: float
    accuracy: float
    calibration_error: float
    below_prior: float
    above_bayes: float | None = None
    above_symmetric_bayes: float | None = None

    def as_dict(self) -> dict[str, float]:
        """Return the scores by name, without those that are not known."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class LeaderboardRow:
    """A member, method, nested selection or point of reference with its honest scores.

    Attributes
    ----------
    name : str
        Name in the table.
    kind : str
        "member", "blend", "choice" (the nested selection) or "reference".
    scores : Scores
        Of the out-of-fold predictions, cross-fitted where anything is fitted.
    tuned_on_oof : bool or None
        Of members: whether their settings were chosen by these rows.
    taught_on_oof : bool
        Whether teachers saw the votes of these rows: those of the member, or of one that is blended.
    fitted : float or None
        Of blends: log loss in nats on the rows that were fitted on.
    holdout : float or None
        Log loss in nats on the held-out rows, where there are any.
    weights : dict of str to float, or None
        Of blends that have weights: from a member to its weight.
    differences : dict of str to (float, float, float), or None
        Of blends and the nested selection: as in `BlendResult`.
    calibrated : dict of str to float
        From a calibration to the honest log loss with it, in nats.
    expected : float or None
        Of references: the log loss in nats that they expect of themselves.
    other_split : dict of str to float
        Of members: from the title of another split of the data to the log loss there, in nats.
    decided_accuracy : float in [0, 1], or None
        Of the method that was chosen by accuracy of three outcomes: of what its rule decides, cross-fitted.
    """

    name: str
    kind: str
    scores: Scores
    tuned_on_oof: bool | None = None
    fitted: float | None = None
    holdout: float | None = None
    weights: Mapping[str, float] | None = None
    differences: Differences | None = None
    calibrated: Mapping[str, float] = field(default_factory=dict)
    expected: float | None = None
    other_split: Mapping[str, float] = field(default_factory=dict)
    decided_accuracy: float | None = None
    taught_on_oof: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON values, without what is not known; a blend's weights are null where it has none."""
        values = {name: value for name, value in vars(self).items() if value is not None and name != "scores"}
        unsaid = ("other_split", "taught_on_oof")  # where they are empty
        values = {name: value for name, value in values.items() if value or name not in unsaid}
        weights = {"weights": self.weights} if self.kind == "blend" else {}
        lists = {name: list(bounds) for name, bounds in (self.differences or {}).items()}
        differences = {} if self.differences is None else {"differences": lists}
        return {**values, **self.scores.as_dict(), **weights, **differences, "calibrated": dict(self.calibrated)}


def leaderboard(
    stack: OOFStack,
    blends: Sequence[BlendResult],
    holdout: Sequence[float] | None = None,
    nested: NestedSelection | None = None,
    calibrated: Mapping[str, Mapping[str, float]] | None = None,
    metric: str = "log_loss",
    other: OtherSplit | None = None,
) -> list[LeaderboardRow]:
    """Return one row per member and blend and one for the nested selection, the best first, then references.

    Parameters
    ----------
    stack : OOFStack
        The M members on the scored rows.
    blends : sequence of BlendResult
        The blends to show.
    holdout : sequence of M floats, or None
        The members' log loss in nats on the held-out rows.
    nested : NestedSelection or None
        The selection between the blends.
    calibrated : dict of str to dict of str to float, or None
        From a member or method to a calibration to the honest log loss in nats.
    metric : str
        What is best: the lowest "log_loss", or the highest "accuracy".
    other : OtherSplit or None
        What members have in another split of the data.
    """
    by_calibration = calibrated or {}
    losses = [None] * len(stack.members) if holdout is None else holdout
    rows = [
        LeaderboardRow(
            info.name,
            "member",
            scores(own, stack.folds),
            tuned_on_oof=info.tuned_on_oof,
            holdout=loss,
            calibrated=by_calibration.get(info.name, {}),
            other_split={} if other is None else other.of(info.name),
            taught_on_oof=info.taught_on_oof,
        )
        for info, own, loss in zip(stack.members, stack.probabilities, losses, strict=True)
    ]
    taught = any(info.taught_on_oof for info in stack.members)
    rows += [
        LeaderboardRow(
            blend.method,
            "blend",
            scores(blend.probabilities, stack.folds),
            fitted=blend.fitted,
            holdout=blend.holdout,
            weights=named_weights(stack, blend),
            differences=blend.differences,
            calibrated=by_calibration.get(blend.method, {}),
            taught_on_oof=taught,
        )
        for blend in blends
    ]
    if nested is not None:
        own = scores(nested.probabilities, stack.folds)
        differences = nested.differences
        rows.append(LeaderboardRow("nested selection", "choice", own, differences=differences, taught_on_oof=taught))
    by_accuracy = metric == "accuracy"
    ranked = sorted(rows, key=lambda row: (-row.scores.accuracy * by_accuracy, row.scores.log_loss))
    return ranked + references(stack.folds)


def member_losses(stack: OOFStack | None) -> list[float] | None:
    """Return the log loss of each member of a stack in nats, or None without a stack."""
    return None if stack is None else [log_loss(own, stack.folds.label) for own in stack.probabilities]


def references(folds: Folds) -> list[LeaderboardRow]:
    """Return the points of reference: the class prior and, where the truth is known, the best possible predictors."""
    predictions = [("class prior", prior_predictions(folds))]
    if folds.truth is not None:
        predictions += [("symmetric Bayes floor", folds.truth[:, 1]), ("Bayes floor", folds.truth[:, 0])]
    return [
        LeaderboardRow(name, "reference", scores(probabilities, folds), expected=mean_entropy(probabilities))
        for name, probabilities in predictions
    ]


def mean_entropy(probabilities: Floats) -> float:
    """Return the log loss in nats that (n, K) probabilities expect of themselves, free of the luck of the labels."""
    return float(entr(probabilities).sum(axis=1).mean())


def scores(probabilities: Floats, folds: Folds) -> Scores:
    """Return the scores of (n, K) predictions for the n rows of `folds`."""
    losses = row_losses(probabilities, folds.label)
    loss = float(losses.mean())
    floors = [None, None] if folds.truth is None else [log_loss(own, folds.label) for own in folds.truth.swapaxes(0, 1)]
    above_bayes, above_symmetric_bayes = (None if floor is None else loss - floor for floor in floors)
    return Scores(
        log_loss=loss,
        log_loss_se=clustered_error(losses, folds.group),
        accuracy=accuracy(probabilities, folds.label),
        calibration_error=calibration_error(probabilities, folds.label),
        below_prior=log_loss(prior_predictions(folds), folds.label) - loss,
        above_bayes=above_bayes,
        above_symmetric_bayes=above_symmetric_bayes,
    )


def prior_predictions(folds: Folds) -> Floats:
    """Return the class prior as (n, K) predictions: the outcome shares of these rows, for each of them.

    Where folds are sources, those of a row are of the rows that its fold may be fitted on: nobody knows the shares of a
    new source. Each outcome counts once more there, as the others may lack one that the source has.
    """
    if not is_by_source(folds):
        return np.tile(outcome_shares(folds.label, folds.n_outcomes), (len(folds.label), 1))
    shares = np.empty((len(folds.label), folds.n_outcomes))
    for number in np.unique(folds.fold):
        held_out = folds.fold == number
        counts = outcome_counts(folds.label[training_rows(folds, held_out)], folds.n_outcomes) + 1
        shares[held_out] = counts / counts.sum()
    return shares


def with_differences(
    stack: OOFStack, blends: Sequence[BlendResult], nested: NestedSelection | None, bootstrap: GroupBootstrap
) -> tuple[list[BlendResult], NestedSelection | None]:
    """Return blends and nested selection with their paired differences to the best member and the soft vote.

    The best member is the best on these rows, which favours it.
    """
    label = stack.folds.label
    members = row_losses(stack.probabilities, label).mean(axis=1)
    reference_losses = {
        "best member": row_losses(stack.probabilities[int(np.argmin(members))], label),
        "soft vote": row_losses(stack.probabilities.mean(axis=0), label),
    }
    compared: list[BlendResult | NestedSelection] = [*blends, *([] if nested is None else [nested])]
    losses = [row_losses(each.probabilities, label) for each in compared]
    paired = np.stack([own - reference for own in losses for reference in reference_losses.values()])
    bounds = bootstrap.intervals(paired)
    differences = [
        (float(mean), float(low), float(high)) for mean, (low, high) in zip(paired.mean(axis=1), bounds, strict=True)
    ]
    width = len(reference_losses)
    named = [
        dict(zip(reference_losses, differences[first : first + width], strict=True))
        for first in range(0, len(differences), width)
    ]
    results = [replace(blend, differences=each) for blend, each in zip(blends, named, strict=False)]
    return results, None if nested is None else replace(nested, differences=named[-1])


def named_weights(stack: OOFStack, blend: BlendResult) -> Mapping[str, float] | None:
    """Return a blend's weights by member name, or None where it has none."""
    if blend.weights is None:
        return None
    return {info.name: float(weight) for info, weight in zip(stack.members, blend.weights, strict=True)}
