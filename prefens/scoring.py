"""The scores of a whole stored member, told to the tracker."""

from __future__ import annotations

import tempfile
from pathlib import Path

from prefens.evaluation.leaderboard import scores
from prefens.records import OOFStack
from prefens.tracking.member_spec import MemberSpec
from prefens.tracking.oof_store import SplitStore
from prefens.tracking.stack import make_stack
from prefens.tracking.tracker import Tracker


def member_stack(split: SplitStore, spec: MemberSpec) -> tuple[OOFStack, OOFStack | None]:
    """Return the stack of one stored member, and that of its hold-out rows; errors as in `make_stack`."""
    runs = [split.predictions(spec, fold) for fold in range(split.folds.k)]
    return make_stack(split.folds, {spec.info: runs})


def track_member(split: SplitStore, tracker: Tracker, spec: MemberSpec) -> None:
    """Score a member whose folds are all there, and finish its run."""
    stack, holdout = member_stack(split, spec)
    metrics = {f"oof_{name}": value for name, value in scores(stack.probabilities[0], stack.folds).items()}
    if holdout is not None:
        metrics |= {f"holdout_{name}": value for name, value in scores(holdout.probabilities[0], holdout.folds).items()}
    metrics["seconds"] = sum(split.facts(spec, fold)["seconds"] for fold in range(split.folds.k))
    from prefens.evaluation.plots import calibration_plot, save  # matplotlib takes a while to import

    with tempfile.TemporaryDirectory() as scratch:
        path = save(calibration_plot(stack.probabilities[0], stack.folds.label, spec.name), Path(scratch))
        tracker.finish_member(spec, metrics, [path], split.folds)
