"""A blend: members, methods with their scores, the nested selection between them, and the diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

import numpy as np

from prefens.core import resources
from prefens.core.bootstrap import GroupBootstrap
from prefens.core.errors import ConfigError
from prefens.core.hashing import digest
from prefens.core.metrics import accuracy, log_loss, row_losses
from prefens.core.types import Floats, Folds, OOFStack
from prefens.ensemble.base import Blender
from prefens.ensemble.calibration import calibrations_for, cross_calibrate
from prefens.ensemble.crossfit import Calibrations, best_method, evaluate
from prefens.ensemble.decision import METRICS, Decision, decided_accuracy
from prefens.ensemble.diagnostics import diagnose
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.leaderboard import LeaderboardRow, Scores, leaderboard, member_losses, scores, with_differences
from prefens.ensemble.registry import restore
from prefens.ensemble.results import BlendResult, Diagnosis, MemberDiagnosis, NestedSelection, OtherSplit


@dataclass(frozen=True, eq=False)
class Blend:
    """A fitted blend with its honest predictions: what is stored, and what tables, report and MLflow are made of.

    Attributes
    ----------
    folds : Folds
        All rows of the data.
    stack : OOFStack
        The M members on the rows that were blended.
    results : sequence of BlendResult
        One per method, followed each by its calibrated forms.
    nested : NestedSelection or None
        The selection between the methods; None with two folds.
    diagnosis : Diagnosis
        What the members contribute, and what looks wrong.
    calibrated : dict of str to dict of str to float
        From a member or method to a calibration to the honest log loss in nats.
    holdout : sequence of M floats, or None
        Log loss in nats of the members on the held-out rows.
    metric : str
        What ranks members and methods and chooses the best: one of `METRICS`.
    other : OtherSplit or None
        What members have in another split of the same data; nothing is fitted on it.
    """

    folds: Folds
    stack: OOFStack
    results: Sequence[BlendResult]
    nested: NestedSelection | None
    diagnosis: Diagnosis
    calibrated: Mapping[str, Mapping[str, float]]
    holdout: Sequence[float] | None = None
    metric: str = "log_loss"
    other: OtherSplit | None = None

    @cached_property
    def best(self) -> BlendResult:
        """The method that predicts: that of the lowest honest log loss, or highest accuracy; the first of equals."""
        label = self.stack.folds.label
        if self.metric == "log_loss":
            costs = {result.method: result.honest for result in self.results}
        else:
            costs = {result.method: 1.0 - accuracy(result.probabilities, label) for result in self.results}
        name = best_method(costs)
        return next(result for result in self.results if result.method == name)

    @cached_property
    def decision(self) -> Decision:
        """From the best method's probabilities to one outcome: the likeliest, or for accuracy by a fitted rule."""
        return (
            Decision() if self.metric == "log_loss" else Decision.fit(self.best.probabilities, self.stack.folds.label)
        )

    @cached_property
    def decided_accuracy(self) -> float | None:
        """The honest accuracy of the decision, whose rule is fitted without each scored fold; None without a rule."""
        if self.metric == "log_loss":
            return None
        return decided_accuracy(self.best.probabilities, self.stack.folds)

    @property
    def expected(self) -> BlendResult | NestedSelection | None:
        """The predictions whose scores to expect of the best method: nested where it was selected among several.

        None where that is not known, with two folds.
        """
        return self.best if len(self.results) == 1 else self.nested

    @property
    def names(self) -> list[str]:
        """The members' names."""
        return [info.name for info in self.stack.members]

    @property
    def used(self) -> list[str]:
        """Names of the members whose probabilities change the best method's predictions."""
        used = restore(dict(self.best.state)).used
        return [name for name, is_used in zip(self.names, used, strict=True) if is_used]

    @cached_property
    def losses(self) -> dict[str, Floats]:
        """The (n,) honest log losses of the blended rows in nats, by member and method."""
        label = self.stack.folds.label
        losses = dict(zip(self.names, row_losses(self.stack.probabilities, label), strict=True))
        return losses | {result.method: row_losses(result.probabilities, label) for result in self.results}

    @cached_property
    def predictions(self) -> dict[str, Floats]:
        """The (n, K) probabilities of the blended rows, by the name of their columns in predictions.parquet."""
        predictions = {f"oof {name}": own for name, own in zip(self.names, self.stack.probabilities, strict=True)}
        predictions |= {f"honest {result.method}": result.probabilities for result in self.results}
        return predictions if self.nested is None else {**predictions, "nested": self.nested.probabilities}

    @cached_property
    def predictions_digest(self) -> str:
        """The digest of `predictions`, 64 hex digits."""
        return predictions_digest(self.stack.folds, self.predictions)

    def with_alarms(self, alarms: Sequence[str]) -> Blend:
        """Return the blend with more alarms, ahead of its own."""
        return replace(self, diagnosis=replace(self.diagnosis, alarms=[*alarms, *self.diagnosis.alarms]))

    def title(self) -> str:
        """Return what was blended, in words."""
        settings, rows = self.folds.settings, len(self.stack.folds.ids)
        ranked = "" if self.metric == "log_loss" else ", by accuracy"
        return f"{rows} pairs, {settings['scheme']} folds, k={settings['k']}; {self.best.method} predicts{ranked}"

    def scores(self) -> Scores | None:
        """Return the scores to expect of the best method, or None where they are not known."""
        return None if self.expected is None else scores(self.expected.probabilities, self.stack.folds)

    @cached_property
    def leaderboard(self) -> list[LeaderboardRow]:
        """The rows of the leaderboard: members, methods, the nested selection, references."""
        shown = [result for result in self.results if "+" not in result.method or result is self.best]
        nested = self.nested if len(self.results) > 1 else None
        rows = leaderboard(self.stack, shown, self.holdout, nested, self.calibrated, self.metric, self.other)
        if self.decided_accuracy is None or self.folds.n_outcomes == 2:  # there the likelier one is decided
            return rows
        place = next(place for place, row in enumerate(rows) if (row.kind, row.name) == ("blend", self.best.method))
        rows[place] = replace(rows[place], decided_accuracy=self.decided_accuracy)
        return rows

    @cached_property
    def members(self) -> list[MemberDiagnosis]:
        """The diagnosis by member."""
        diagnosis = self.diagnosis
        losses = [self.losses[name].mean() for name in self.names]
        duplicates = {place for pair in diagnosis.duplicates for place in pair}
        rows = []
        for place, info in enumerate(self.stack.members):
            others = np.where(np.arange(len(losses)) == place, -np.inf, diagnosis.correlation[place])
            nearest = int(np.argmax(others)) if len(losses) > 1 else None
            loss, weight, gain = (float(each[place]) for each in (losses, diagnosis.weights, diagnosis.loo_gain))
            low, high = diagnosis.intervals[place].tolist()
            rows.append(
                MemberDiagnosis(
                    info.name,
                    info.tuned_on_oof,
                    log_loss=loss,
                    weight=weight,
                    weight_interval=(low, high),
                    loo_gain=None if np.isnan(gain) else gain,
                    most_alike=None if nearest is None else self.names[nearest],
                    correlation=None if nearest is None else float(others[nearest]),
                    duplicate=place in duplicates,
                    taught_on_oof=info.taught_on_oof,
                )
            )
        return rows


def make_blend(
    inputs: BlendInputs,
    blenders: Sequence[Blender],
    calibrations: Calibrations = (),
    resamples: int = 1000,
    metric: str = "log_loss",
) -> Blend:
    """Fit and score blenders, select between them, and diagnose the members.

    Parameters
    ----------
    inputs : BlendInputs
        The members to blend.
    blenders : sequence of Blender
        The methods, each with another name.
    calibrations : sequence of types of Calibration
        Calibrations to put behind each member and method, where the folds allow them.
    resamples : int, 1 or more
        Bootstrap resamples over prompt groups, behind every interval.
    metric : str
        As in `Blend`.

    Raises
    ------
    BlendError
        If there are fewer than two folds or prompt groups, or if no method can be fitted.
    ConfigError
        If two methods have the same name, a method needs features of the pairs and there are none, or the
        metric is unknown.
    """
    if metric not in METRICS:
        raise ConfigError(f"metric={metric}", " or ".join(METRICS), "correct metric")
    stack, holdout = inputs.stack, inputs.holdout
    calibrations = calibrations_for(stack.folds, calibrations)
    results, nested = evaluate(blenders, stack, holdout, calibrations, metric)
    bootstrap = GroupBootstrap(stack.folds.group, resamples)
    results, nested = with_differences(stack, results, nested, bootstrap)
    calibrated = {
        info.name: {
            kind.name: log_loss(cross_calibrate(kind, own, stack.folds), stack.folds.label) for kind in calibrations
        }
        for info, own in zip(stack.members, stack.probabilities, strict=True)
    }
    diagnosis = diagnose(stack, resamples, resources.thread_count())
    losses = member_losses(holdout)
    every = with_methods(calibrated, results)
    return Blend(inputs.folds, stack, results, nested, diagnosis, every, losses, metric, inputs.other)


def with_methods(
    members: Mapping[str, Mapping[str, float]], results: Sequence[BlendResult]
) -> dict[str, dict[str, float]]:
    """Add the methods' calibrated log losses to those of the members.

    Parameters
    ----------
    members : dict of str to dict of str to float
        From a member to a calibration to the honest log loss in nats.
    results : sequence of BlendResult
        The methods and their calibrated forms.

    Returns
    -------
    dict of str to dict of str to float
        From a member or method to a calibration to the honest log loss in nats.
    """
    calibrated = {name: dict(losses) for name, losses in members.items()}
    for result in results:
        base, *kind = result.method.split("+")
        if kind:
            calibrated.setdefault(base, {})[kind[0]] = result.honest
    return calibrated


def predictions_digest(rows: Folds, predictions: Mapping[str, Floats]) -> str:
    """Return the digest of the predictions of a blend.

    Parameters
    ----------
    rows : Folds
        The n rows that were blended.
    predictions : dict of str to ndarray of shape (n, K)
        Probabilities by the name of their columns in predictions.parquet.

    Returns
    -------
    str
        64 hex digits.
    """
    texts = [rows.digest, rows.group.tolist(), rows.label.tolist(), list(predictions)]
    hashed = sha256(digest(texts).encode())
    for values in [*([] if rows.truth is None else [rows.truth]), *predictions.values()]:
        hashed.update(np.ascontiguousarray(values).tobytes())
    return hashed.hexdigest()
