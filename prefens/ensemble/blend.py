"""A blend: how its methods score, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from prefens.core import resources
from prefens.core.bootstrap import GroupBootstrap
from prefens.core.metrics import log_loss, row_losses
from prefens.core.types import Folds, OOFStack
from prefens.ensemble.base import Blender
from prefens.ensemble.calibration import cross_calibrate
from prefens.ensemble.crossfit import Calibrations, evaluate, leader
from prefens.ensemble.diagnostics import diagnose
from prefens.ensemble.inputs import Gathered
from prefens.ensemble.leaderboard import LeaderboardRow, Scores, leaderboard, member_losses, scores, with_differences
from prefens.ensemble.registry import restore
from prefens.ensemble.results import BlendResult, Choice, Diagnosis, MemberDiagnosis


@dataclass(frozen=True, eq=False)
class Blend:
    """A fitted blend with its honest predictions: what is stored, and what tables, report and MLflow are made of.

    Attributes
    ----------
    folds : all rows of the data; stack : the members on those that were blended.
    results : one per method, calibrated ones behind theirs; choice : between them, nested, or None.
    calibrated : member or method -> calibration -> honest log loss in nats.
    holdout : (M,) log loss in nats of the members on the held-out rows, or None.
    """

    folds: Folds
    stack: OOFStack
    results: Sequence[BlendResult]
    choice: Choice | None
    diagnosis: Diagnosis
    calibrated: Mapping[str, Mapping[str, float]]
    holdout: Sequence[float] | None = None

    @property
    def best(self) -> BlendResult:
        """The method with the lowest honest log loss, the simplest of equals: the one that predicts."""
        name = leader({result.method: result.honest for result in self.results})
        return next(result for result in self.results if result.method == name)

    @property
    def expected(self) -> BlendResult | Choice | None:
        """The predictions whose scores to expect of the best method: nested where it was chosen among several.

        None where that can't be done, with two folds.
        """
        return self.best if len(self.results) == 1 else self.choice

    @property
    def names(self) -> list[str]:
        """The members' names."""
        return [info.name for info in self.stack.members]

    @property
    def used(self) -> list[str]:
        """The members that the best method looks at."""
        used = restore(dict(self.best.state)).used
        return [name for name, needed in zip(self.names, used, strict=True) if needed]

    def with_alarms(self, alarms: Sequence[str]) -> Blend:
        """Return the blend with more alarms, ahead of its own."""
        return replace(self, diagnosis=replace(self.diagnosis, alarms=[*alarms, *self.diagnosis.alarms]))

    def title(self) -> str:
        """Return what was blended on, in words."""
        settings, rows = self.folds.settings, len(self.stack.folds.ids)
        return f"{rows} pairs, {settings['scheme']} folds, k={settings['k']}; {self.best.method} predicts"

    def scores(self) -> Scores | None:
        """Return the scores to expect of the best method, or None where that is not known."""
        return None if self.expected is None else scores(self.expected.probabilities, self.stack.folds)

    def leaderboard(self) -> list[LeaderboardRow]:
        """Return the rows of the leaderboard: members, methods, the nested choice, references."""
        shown = [result for result in self.results if "+" not in result.method or result is self.best]
        several = self.choice if len(self.results) > 1 else None
        return leaderboard(self.stack, shown, self.holdout, several, self.calibrated)

    def members(self) -> list[MemberDiagnosis]:
        """Return what is known of each member besides its scores."""
        diagnosis = self.diagnosis
        losses = row_losses(self.stack.probabilities, self.stack.folds.label).mean(axis=1)
        doubled = {place for pair in diagnosis.duplicates for place in pair}
        rows = []
        for place, info in enumerate(self.stack.members):
            others = np.where(np.arange(len(losses)) == place, -np.inf, diagnosis.correlation[place])
            nearest = int(np.argmax(others)) if len(losses) > 1 else None
            loss, weight, worth = (float(each[place]) for each in (losses, diagnosis.weights, diagnosis.left_out))
            low, high = diagnosis.intervals[place].tolist()
            rows.append(
                MemberDiagnosis(
                    info.name,
                    info.tuned_on_oof,
                    log_loss=loss,
                    weight=weight,
                    weight_interval=(low, high),
                    left_out=None if np.isnan(worth) else worth,
                    most_alike=None if nearest is None else self.names[nearest],
                    correlation=None if nearest is None else float(others[nearest]),
                    duplicate=place in doubled,
                )
            )
        return rows


def make_blend(
    inputs: Gathered, blenders: Sequence[Blender], calibrations: Calibrations = (), resamples: int = 1000
) -> Blend:
    """Fit, score and choose between blenders, each with each calibration too, and look at what they rest on."""
    stack, holdout = inputs.stack, inputs.holdout
    results, choice = evaluate(blenders, stack, holdout, calibrations)
    bootstrap = GroupBootstrap(stack.folds.group, resamples)
    results, choice = with_differences(stack, results, choice, bootstrap)
    calibrated = {
        info.name: {
            kind.name: log_loss(cross_calibrate(kind, own, stack.folds), stack.folds.label) for kind in calibrations
        }
        for info, own in zip(stack.members, stack.probabilities, strict=True)
    }
    diagnosis = diagnose(stack, resamples, resources.thread_count())
    losses = member_losses(holdout)
    return Blend(inputs.folds, stack, results, choice, diagnosis, with_methods(calibrated, results), losses)


def with_methods(
    members: Mapping[str, Mapping[str, float]], results: Sequence[BlendResult]
) -> dict[str, dict[str, float]]:
    """Return calibrated log losses by member, and by method those of its calibrated forms among the results."""
    calibrated = {name: dict(losses) for name, losses in members.items()}
    for result in results:
        base, *kind = result.method.split("+")
        if kind:
            calibrated.setdefault(base, {})[kind[0]] = result.honest
    return calibrated
