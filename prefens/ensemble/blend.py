"""A blend: how its methods score, what they rest on, and what it leaves behind."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from prefens.core import resources
from prefens.core.bootstrap import GroupBootstrap
from prefens.core.files import write_json
from prefens.core.hashing import digest
from prefens.core.metrics import log_loss, row_losses
from prefens.core.types import OOFStack, Pairs
from prefens.ensemble.base import Blender
from prefens.ensemble.calibration import cross_calibrate
from prefens.ensemble.crossfit import Calibrations, evaluate, leader
from prefens.ensemble.diagnostics import diagnose
from prefens.ensemble.leaderboard import leaderboard, named_weights, scores, with_differences
from prefens.ensemble.registry import restore
from prefens.ensemble.results import BlendResult, Choice, Diagnosis
from prefens.inference.checks import recheck
from prefens.inference.saved_model import save_best
from prefens.runner.blend_inputs import Gathered
from prefens.runner.schemas import Tracking
from prefens.store.tracking.factory import open_tracker

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Blend:
    """All that was found.

    Attributes
    ----------
    results : one per method, calibrated ones behind theirs; choice : between them, nested, or None.
    calibrated : member or method -> calibration -> honest log loss in nats.
    mismatches : folds whose stored models do not predict what is stored, in words.
    """

    gathered: Gathered
    results: Sequence[BlendResult]
    choice: Choice | None
    diagnosis: Diagnosis
    calibrated: Mapping[str, Mapping[str, float]]
    mismatches: Sequence[str] = field(default_factory=list)

    @property
    def best(self) -> BlendResult:
        """The method with the lowest honest log loss, the simplest of equals: the one that predicts."""
        name = leader({result.method: result.honest for result in self.results})
        return next(result for result in self.results if result.method == name)

    @property
    def expected(self) -> tuple[float | None, float | None]:
        """The honest log loss of the best method and its standard error: nested where it was chosen among several.

        None where that can't be done, with two folds.
        """
        if len(self.results) == 1:
            return self.best.honest, self.best.honest_se
        return (None, None) if self.choice is None else (self.choice.honest, self.choice.honest_se)

    @property
    def used(self) -> list[str]:
        """The members that the best method looks at."""
        used = restore(dict(self.best.state)).used
        return [info.name for info, needed in zip(self.gathered.stack.members, used, strict=True) if needed]

    def title(self) -> str:
        """Return what was blended on, in words."""
        about, stack = self.gathered.folds.settings, self.gathered.stack
        return f"{len(stack.folds.ids)} pairs, {about['scheme']} folds, k={about['k']}; {self.best.method} predicts"

    def leaderboard(self) -> list[dict[str, Any]]:
        """Return the rows of the leaderboard: members, methods, the nested choice, references."""
        shown = [result for result in self.results if "+" not in result.method or result is self.best]
        several = self.choice if len(self.results) > 1 else None
        rows = leaderboard(self.gathered.stack, shown, self.gathered.holdout, several)
        return [row | {"calibrated": dict(self.calibrated.get(row["name"], {}))} for row in rows]

    def member_rows(self) -> list[dict[str, Any]]:
        """Return what is known of each member besides its scores, as JSON values; log loss in nats."""
        stack, found = self.gathered.stack, self.diagnosis
        losses = row_losses(stack.probabilities, stack.folds.label).mean(axis=1)
        doubled = {place for pair in found.duplicates for place in pair}
        rows = []
        for place, info in enumerate(stack.members):
            others = np.where(np.arange(len(stack.members)) == place, -np.inf, found.correlation[place])
            nearest = int(np.argmax(others)) if len(stack.members) > 1 else None
            worth = float(found.left_out[place])
            rows.append(
                {
                    "member": info.name,
                    "tuned_on_oof": info.tuned_on_oof,
                    "log_loss": float(losses[place]),
                    "weight": float(found.weights[place]),
                    "weight_interval": found.intervals[place].tolist(),
                    "left_out": None if np.isnan(worth) else worth,
                    "most_alike": None if nearest is None else stack.members[nearest].name,
                    "correlation": None if nearest is None else float(others[nearest]),
                    "duplicate": place in doubled,
                }
            )
        return rows

    def alarms(self) -> list[str]:
        """Return what looks wrong, in words: leaks, doubles, models that are not those of the stored probabilities."""
        infos = self.gathered.stack.members
        doubles = [
            f"{infos[a].name} and {infos[b].name} say the same (errors correlate above 0.995)"
            for a, b in self.diagnosis.duplicates
        ]
        return [*self.diagnosis.suspects, *self.mismatches, *doubles]

    def rechecked(self, sample: int, backbones: Path) -> Blend:
        """Return the blend after predicting a sample of each stored fold again, where the pairs are given."""
        gathered = self.gathered
        if gathered.split is None or gathered.pairs is None:
            return self
        found = recheck(gathered.split, gathered.stored, gathered.pairs, sample, backbones)
        return replace(self, mismatches=list(found))

    def describe(self) -> dict[str, Any]:
        """Return the content of blend.json; log loss in nats."""
        stack, folds = self.gathered.stack, self.gathered.folds
        losses = row_losses(stack.probabilities, stack.folds.label).mean(axis=1)
        choice = self.choice
        return {
            "n_pairs": len(stack.folds.ids),
            "data_digest": folds.data_digest,
            "fold_digest": folds.digest,
            "members": [
                {
                    "member": info.name,
                    "backbone": info.backbone,
                    "seed": info.seed,
                    "log_loss": float(loss),
                    **({"tuned_on_oof": True} if info.tuned_on_oof else {}),
                }
                for info, loss in zip(stack.members, losses, strict=True)
            ],
            "methods": [_described(stack, result) for result in self.results],
            "best": self.best.method,
            "best_honest": self.expected[0],
            "best_honest_se": self.expected[1],
            "chosen_without_fold": {} if choice is None else {str(fold): name for fold, name in choice.chosen.items()},
            "diagnostics": {
                "members": self.member_rows(),
                "forward": self.diagnosis.forward,
                "alarms": self.alarms(),
            },
        }


def make_blend(
    gathered: Gathered, blenders: Sequence[Blender], calibrations: Calibrations = (), resamples: int = 1000
) -> Blend:
    """Fit, score and choose between blenders, each with each calibration too, and look at what they rest on."""
    stack, holdout = gathered.stack, gathered.holdout
    if any(blender.wants_features for blender in blenders) and gathered.pairs is not None:
        stack = _with_features(stack, gathered.pairs)
        holdout = None if holdout is None else _with_features(holdout, gathered.pairs)
    results, choice = evaluate(blenders, stack, holdout, calibrations)
    bootstrap = GroupBootstrap(stack.folds.group, resamples)
    results, choice = with_differences(stack, results, choice, bootstrap)
    calibrated: dict[str, dict[str, float]] = {
        info.name: {
            kind.name: log_loss(cross_calibrate(kind, own, stack.folds), stack.folds.label) for kind in calibrations
        }
        for info, own in zip(stack.members, stack.probabilities, strict=True)
    }
    for result in results:
        base, *kind = result.method.split("+")
        if kind:
            calibrated.setdefault(base, {})[kind[0]] = result.honest
    gathered = replace(gathered, stack=stack, holdout=holdout)
    return Blend(gathered, results, choice, diagnose(stack, resamples, resources.thread_count()), calibrated)


def record(found: Blend, tracking: Tracking, out: Path, model: bool = True) -> None:
    """Write the files of a blend; store it for predictions, where there is a store, and as one `model`; track it.

    What is written first is what the others are made from: a figure or a server that fails costs nothing else.
    """
    described, rows = found.describe(), found.leaderboard()
    best = next(item for item in described["methods"] if item["method"] == described["best"])
    weights = {"method": best["method"], "members": [item["member"] for item in described["members"]]}
    files = [
        write_json(out / "blend.json", described),
        write_json(out / "weights.json", weights | {"weights": best["weights"], "state": best["state"]}),
        write_json(out / "leaderboard.json", rows),
    ]
    saved = _store(found, described, model)
    tables = {"leaderboard": rows, "members": found.member_rows()}
    try:
        files += _draw(found, out / "figures")
        name, folds = f"blend of {len(described['members'])}", found.gathered.folds
        with open_tracker(tracking) as tracker:
            tracker.log_blend(name, _metrics(found), _tags(found), files, tables, saved, folds)
    except Exception as error:  # whatever it is: the blend itself is written
        log.warning("figures or tracking failed, the blend is in %s: %s: %s", out, type(error).__name__, error)


def _store(found: Blend, described: dict[str, Any], model: bool) -> Path | None:
    """Make a blend the one that predictions use; one that can't predict does not replace one that can."""
    split = found.gathered.split
    if split is None:
        return None
    names = {spec.name for spec in found.gathered.stored if spec.kind is not None}
    whole = len(found.gathered.stack.folds.ids) == int(split.folds.scored.sum())
    predicts = whole and names >= set(found.used)
    if not predicts and split.has_blend():
        log.warning("the stored blend stays: this one rests on files, or on some of the rows; see out=")
        return None
    try:
        split.put_blend(described)
        return save_best(split) if model and predicts else None
    except OSError as error:
        log.warning("the store can't be written (%s): predictions go on with the blend that it had", error)
        return None


def _draw(found: Blend, folder: Path) -> list[Path]:
    from prefens.reporting.leaderboard.blend_plots import blend_plots  # matplotlib takes a while to import
    from prefens.reporting.plots import save

    names = [info.name for info in found.gathered.stack.members]
    plots = blend_plots(names, found.diagnosis, found.best, found.gathered.stack.folds.label)
    return [save(plot, folder) for plot in plots]


def _tags(found: Blend) -> dict[str, str]:
    """Return what a blend's run is found by."""
    folds, members = found.gathered.folds, members_digest(found.gathered.stack)
    tags = {
        "data_digest": folds.data_digest,
        "fold_digest": folds.digest,
        "best": found.best.method,
        "members": members,
    }
    return {f"prefens.{name}": value for name, value in tags.items()}


def members_digest(stack: OOFStack) -> str:
    """Return the digest of which members were blended."""
    return digest(sorted(info.name for info in stack.members))


def _metrics(found: Blend) -> dict[str, float]:
    """Return the scores of each method and, named like those of a member, of the nested choice between them."""
    shown = found.choice if len(found.results) > 1 else found.best
    own = {} if shown is None else scores(shown.probabilities, found.gathered.stack.folds)
    by_method = {
        f"{result.method.replace('+', '-')}_{kind}": value  # MLflow's names have no +
        for result in found.results
        for kind, value in (("honest", result.honest), ("fitted", result.fitted))
    }
    return by_method | {f"oof_{name}": value for name, value in own.items()}


def _described(stack: OOFStack, result: BlendResult) -> dict[str, Any]:
    scores = {"method": result.method, "fitted": result.fitted, "honest": result.honest, "honest_se": result.honest_se}
    return {
        **scores,
        **({} if result.holdout is None else {"holdout": result.holdout}),
        "differences": {name: list(found) for name, found in result.differences.items()},
        "weights": named_weights(stack, result),
        "state": dict(result.state),
    }


def _with_features(stack: OOFStack, pairs: Pairs) -> OOFStack:
    """Return the stack with the style features of its pairs."""
    from prefens.members.style import all_features

    place = {id_: row for row, id_ in enumerate(pairs.ids)}
    return replace(stack, features=all_features(pairs.take(np.array([place[id_] for id_ in stack.folds.ids]))))
