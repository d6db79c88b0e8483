"""The leaderboard: members, blends and reference points on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import entr

from prefens.core.bootstrap import GroupBootstrap
from prefens.core.metrics import accuracy, calibration_error, clustered_error, log_loss, outcome_shares, row_losses
from prefens.core.types import Floats, Folds, OOFStack
from prefens.ensemble.results import BlendResult, Choice, Differences


@dataclass(frozen=True)
class Scores:
    """The scores of one prediction.

    Attributes
    ----------
    log_loss : float, mean over the rows, in nats.
    log_loss_se : float, its standard error in nats, clustered by prompt group.
    accuracy : float in [0, 1].
    calibration_error : float in [0, 1], classwise.
    below_prior : float, nats gained over always predicting the outcome shares.
    above_bayes : float, nats lost against the true probabilities on the same rows; None where they are not known.
    above_symmetric_bayes : float, likewise, against the best predictor that can't see which response is first.
    """

    log_loss: float
    log_loss_se: float
    accuracy: float
    calibration_error: float
    below_prior: float
    above_bayes: float | None = None
    above_symmetric_bayes: float | None = None

    def as_dict(self) -> dict[str, float]:
        """Return the scores that are known, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class LeaderboardRow:
    """A member, method, nested choice or point of reference with its honest scores.

    Attributes
    ----------
    name : str.
    kind : "member", "blend", "choice" or "reference".
    scores : of the out-of-fold predictions, cross-fitted where anything is fitted.
    tuned_on_oof : bool, of members: whether their settings were chosen by these rows.
    fitted : float, of blends: log loss in nats on the rows that were fitted on.
    holdout : float, log loss in nats on the held-out rows, where there are any.
    weights : member -> weight, of blends that have them.
    differences : as in `BlendResult`, of blends and the nested choice.
    calibrated : calibration -> honest log loss in nats.
    expected : float, of references: the log loss in nats that they expect of themselves.
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

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON values; what is not known of it is left out, but for a blend's weights."""
        known = {name: value for name, value in vars(self).items() if value is not None and name != "scores"}
        lists = {name: list(values) for name, values in (self.differences or {}).items()}
        weights = {"weights": self.weights} if self.kind == "blend" else {}
        differences = {} if self.differences is None else {"differences": lists}
        return {**known, **self.scores.as_dict(), **weights, **differences, "calibrated": dict(self.calibrated)}


def leaderboard(
    stack: OOFStack,
    blends: Sequence[BlendResult],
    holdout: Sequence[float] | None = None,
    choice: Choice | None = None,
    calibrated: Mapping[str, Mapping[str, float]] | None = None,
) -> list[LeaderboardRow]:
    """Return one row per member, blend and reference, and one for the nested choice; best honest log loss first.

    Parameters
    ----------
    holdout : (M,) the members' log loss in nats on the held-out rows, or None.
    calibrated : member or method -> calibration -> honest log loss in nats.
    """
    forms = calibrated or {}
    losses = [None] * len(stack.members) if holdout is None else holdout
    rows = [
        LeaderboardRow(
            info.name,
            "member",
            scores(own, stack.folds),
            tuned_on_oof=info.tuned_on_oof,
            holdout=loss,
            calibrated=forms.get(info.name, {}),
        )
        for info, own, loss in zip(stack.members, stack.probabilities, losses, strict=True)
    ]
    rows += [
        LeaderboardRow(
            blend.method,
            "blend",
            scores(blend.probabilities, stack.folds),
            fitted=blend.fitted,
            holdout=blend.holdout,
            weights=named_weights(stack, blend),
            differences=blend.differences,
            calibrated=forms.get(blend.method, {}),
        )
        for blend in blends
    ]
    if choice is not None:
        own, name = scores(choice.probabilities, stack.folds), f"best of {choice.methods}, nested"
        rows.append(LeaderboardRow(name, "choice", own, differences=choice.differences))
    return sorted(rows, key=lambda row: row.scores.log_loss) + references(stack.folds)


def member_losses(stack: OOFStack | None) -> list[float] | None:
    """Return the log loss of each member of a stack in nats, or None without a stack."""
    return None if stack is None else [log_loss(own, stack.folds.label) for own in stack.probabilities]


def references(folds: Folds) -> list[LeaderboardRow]:
    """Return the points of reference: the class prior and, where the truth is known, what nobody can beat."""
    known = [("class prior", prior_predictions(folds))]
    if folds.truth is not None:
        known += [("symmetric Bayes floor", folds.truth[:, 1]), ("Bayes floor", folds.truth[:, 0])]
    return [
        LeaderboardRow(name, "reference", scores(probabilities, folds), expected=mean_entropy(probabilities))
        for name, probabilities in known
    ]


def mean_entropy(probabilities: Floats) -> float:
    """Return the log loss in nats that (n, K) probabilities expect of themselves: free of the luck of the labels."""
    return float(entr(probabilities).sum(axis=1).mean())


def scores(probabilities: Floats, folds: Folds) -> Scores:
    """Return the scores of (n, 3) predictions for the rows of `folds`."""
    losses = row_losses(probabilities, folds.label)
    loss = float(losses.mean())
    floors = [None, None] if folds.truth is None else [log_loss(own, folds.label) for own in folds.truth.swapaxes(0, 1)]
    bayes, symmetric_bayes = (None if floor is None else loss - floor for floor in floors)
    return Scores(
        log_loss=loss,
        log_loss_se=clustered_error(losses, folds.group),
        accuracy=accuracy(probabilities, folds.label),
        calibration_error=calibration_error(probabilities, folds.label),
        below_prior=log_loss(prior_predictions(folds), folds.label) - loss,
        above_bayes=bayes,
        above_symmetric_bayes=symmetric_bayes,
    )


def prior_predictions(folds: Folds) -> Floats:
    """Return (n, K) copies of the outcome shares of these rows."""
    return np.tile(outcome_shares(folds.label, folds.n_outcomes), (len(folds.label), 1))


def with_differences(
    stack: OOFStack, blends: Sequence[BlendResult], choice: Choice | None, bootstrap: GroupBootstrap
) -> tuple[list[BlendResult], Choice | None]:
    """Return blends and choice with their paired differences to the best member and the soft vote of the stack.

    The best member is the best on these rows, which favours it.
    """
    label = stack.folds.label
    members = row_losses(stack.probabilities, label).mean(axis=1)
    references = {
        "best member": row_losses(stack.probabilities[int(np.argmin(members))], label),
        "soft vote": row_losses(stack.probabilities.mean(axis=0), label),
    }
    every: list[BlendResult | Choice] = [*blends, *([] if choice is None else [choice])]
    losses = [row_losses(each.probabilities, label) for each in every]
    paired = np.stack([own - reference for own in losses for reference in references.values()])
    bounds = bootstrap.intervals(paired)
    found = [
        (float(mean), float(low), float(high)) for mean, (low, high) in zip(paired.mean(axis=1), bounds, strict=True)
    ]
    width = len(references)
    told = [dict(zip(references, found[first : first + width], strict=True)) for first in range(0, len(found), width)]
    compared = [replace(blend, differences=each) for blend, each in zip(blends, told, strict=False)]
    return compared, None if choice is None else replace(choice, differences=told[-1])


def named_weights(stack: OOFStack, blend: BlendResult) -> Mapping[str, float] | None:
    """Return a blend's weights by member name, or None."""
    if blend.weights is None:
        return None
    return {info.name: float(weight) for info, weight in zip(stack.members, blend.weights, strict=True)}
