"""What the store holds of fold runs and members, told to the tracker."""

from __future__ import annotations

import logging
import tempfile
from contextlib import suppress
from pathlib import Path

from prefens.core.leases import Busy, fold_lease, held
from prefens.core.types import OOFStack
from prefens.ensemble.leaderboard import scores
from prefens.store.assemble import make_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore, SplitStore
from prefens.store.tracking.tracker import Tracker

log = logging.getLogger(__name__)


def member_stack(split: SplitStore, spec: MemberSpec) -> tuple[OOFStack, OOFStack | None]:
    """Return the stack of one stored member, and that of its hold-out rows; errors as in `make_stack`."""
    runs = [split.predictions(spec, fold) for fold in range(split.folds.k)]
    return make_stack(split.folds, {spec.info: runs})


def track_store(store: OOFStore, tracker: Tracker) -> tuple[int, int]:
    """Tell the tracker what it lacks of the store; return how many fold runs, and how many members, that were.

    What a living process works on is left to it, and what is damaged to the next training.
    """
    n_folds = n_members = 0
    for split in store.splits():
        for spec in split.members():
            finished = split.finished_folds(spec)
            for fold in finished:
                if spec.foreign is None and not tracker.has_fold(spec.key(fold)):
                    n_folds += _track_left(store, split, tracker, spec, fold)
            complete = len(finished) == split.folds.k and not tracker.has_member(spec)
            if complete and not any(split.damage(spec, fold) for fold in finished):
                track_member(split, tracker, spec)
                n_members += 1
    return n_folds, n_members


def _track_left(store: OOFStore, split: SplitStore, tracker: Tracker, spec: MemberSpec, fold: int) -> bool:
    """Tell the tracker of a whole fold run that no living process has; whether it was told."""
    key, damage = spec.key(fold), split.damage(spec, fold)
    if damage is not None:
        log.warning("%s fold %d is not tracked: %s", spec.name, fold, damage)
        return False
    about = {"member": spec.name, "fold": fold, "split": split.path.name}
    with suppress(Busy), held(fold_lease(store.root, key), about):
        tracker.abandon_fold(key)
        track_fold(split, tracker, spec, fold, tracker.start_fold(spec, key))
        return True
    return False


def track_fold(split: SplitStore, tracker: Tracker, spec: MemberSpec, fold: int, run: str) -> None:
    """Tell the tracker what the store holds of a fold run."""
    facts, folder = split.facts(spec, fold), split.fold_dir(spec.name, fold)
    numbers = {name: value for name, value in facts["facts"].items() if not isinstance(value, str)}
    metrics = {name: facts[name] for name in ("log_loss", "accuracy", "seconds")} | numbers
    tracker.finish_fold(run, metrics, facts["curves"], [folder / "predictions.parquet", folder / "run.json"])


def track_member(split: SplitStore, tracker: Tracker, spec: MemberSpec) -> None:
    """Score a member whose folds are all there, and finish its run."""
    stack, holdout = member_stack(split, spec)
    metrics = {f"oof_{name}": value for name, value in scores(stack.probabilities[0], stack.folds).as_dict().items()}
    if holdout is not None:
        held_out = scores(holdout.probabilities[0], holdout.folds).as_dict()
        metrics |= {f"holdout_{name}": value for name, value in held_out.items()}
    metrics["seconds"] = sum(split.facts(spec, fold)["seconds"] for fold in range(split.folds.k))
    from prefens.reporting.plots import calibration_plot, save  # matplotlib takes a while to import

    with tempfile.TemporaryDirectory() as scratch:
        path = save(calibration_plot(stack.probabilities[0], stack.folds.label, spec.name), Path(scratch))
        tracker.finish_member(spec, metrics, [path], split.folds)
