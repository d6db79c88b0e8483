"""Sync: MLflow is a mirror of the store, and is made equal to it, run by run."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from prefens.core.errors import StoreError, counted
from prefens.core.hashing import digest
from prefens.core.types import OOFStack
from prefens.ensemble.leaderboard import scores
from prefens.store.assemble import make_stack
from prefens.store.fold_status import FoldStatus, read_fold_status
from prefens.store.integrity import MANIFEST
from prefens.store.leftovers import dead_leases
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.factory import make_tracker
from prefens.store.tracking.tracker import MemberSummary, NoTracker, Tracker
from prefens.store.verdict import Verdict

if TYPE_CHECKING:
    from prefens.ensemble.blend import Blend
    from prefens.store.tracking.factory import Tracking
    from prefens.store.tracking.guarded_tracker import GuardedTracker
    from prefens.store.tracking.mlflow_tracker import MlflowTracker

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 60.0  # that the end of a command may spend on what MLflow lacks


@contextmanager
def open_tracker(tracking: Tracking) -> Iterator[Tracker]:
    """Yield the tracker of the settings, without open runs of dead processes.

    Afterwards what it lacks is logged, if calls have failed in any process.
    """
    tracker = make_tracker(tracking)
    if tracker is None:
        yield NoTracker()
        return
    from prefens.store.tracking.dead_runs import close_dead_runs  # mlflow takes seconds to import

    dead = dead_leases(Path(tracking.root))
    if dead:
        tracker.attempt(lambda mlflow: close_dead_runs(mlflow.backend, dead))
    try:
        yield tracker
    finally:
        if tracker.behind:
            logged = sync_store(OOFStore(Path(tracking.root)), tracker, PATIENCE_SECONDS)
            if not tracker.behind:
                log.info("MLflow answers again: %s logged", counted(logged, "run"))


def log_results(
    tracking: Tracking, name: str, tags: Mapping[str, str], files: Sequence[Path], metrics: Mapping[str, float]
) -> None:
    """Log what a command has written, with a warning where that fails: to the run of the blend with these tags, or else
    to a run of its own with this name.
    """
    with open_tracker(tracking) as tracker:
        run = tracker.attempt(lambda mlflow: mlflow.log_report(name, tags, files, metrics))
    if tracking.mlflow and run is None:
        log.warning("the results are not logged to MLflow; they are in %s", files[0].parent)


def sync_store(store: OOFStore, tracker: GuardedTracker, seconds: float = float("inf")) -> int:
    """Log what MLflow lacks of the store; return how many runs that were. `tracker.behind` says if some are left.

    What a living process trains is left to it. What is damaged is left out, with a warning. Processes on one disk take
    turns; one that has waited or worked for `seconds` leaves the rest to the next.
    """
    count, end = 0, time.monotonic() + seconds
    with suppress(TimeoutError), _turn(store.root / "locks", seconds, tracker), tracker.catching_up():
        for split in store.splits():
            with _naming_damage(split):
                for name in split.member_names():
                    if time.monotonic() > end:
                        raise TimeoutError
                    with _naming_damage(split):
                        count += tracker.attempt(partial(sync_member, split, split.member(name))) or 0
                count += tracker.attempt(partial(sync_blend, split)) or 0
    return count


@contextmanager
def _turn(locks: Path, seconds: float, tracker: GuardedTracker) -> Iterator[None]:
    """Wait until no other process of this disk syncs; TimeoutError where one does for longer, or where none can."""
    try:
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / "sync.lock").acquire(timeout=seconds)
    except OSError as error:
        tracker.note_failure(error)
        raise TimeoutError from error
    with lock:
        yield


@contextmanager
def _naming_damage(split: SplitStore) -> Iterator[None]:
    """Turn what is wrong with a part of the store into a warning, so that the rest is synced."""
    try:
        yield
    except StoreError as error:
        log.warning("not logged to MLflow, in %s: %s", split.path, error)


def sync_member(split: SplitStore, spec: MemberSpec, tracker: MlflowTracker) -> int:
    """Log what MLflow lacks of a member and its fold runs; return how many runs that were.

    StoreError where its probabilities can't be scored.
    """
    logged, count = tracker.logged(spec), 0
    statuses = [read_fold_status(split, spec, fold, verify=False) for fold in range(split.k + 1)]
    for fold, status in enumerate(statuses if spec.external is None else ()):
        if not status.held and status.content != logged.get(spec.key(fold).digest):
            count += sync_fold(split, spec, fold, tracker)
    return count + _sync_scores(split, spec, statuses[: split.k], tracker, logged.get(spec.key(0).member_digest))


def sync_fold(split: SplitStore, spec: MemberSpec, fold: int, tracker: MlflowTracker) -> int:
    """Log what the store holds of a fold run that nobody else works on; return how many runs that were, 0 or 1."""
    key, folder, status = spec.key(fold), split.fold_dir(spec.name, fold), read_fold_status(split, spec, fold)
    part = split.part_name(fold)
    if status.damage is not None:
        log.warning("%s %s is not logged to MLflow: %s", spec.name, part, status.damage)
    elif status.run is not None:
        tracker.log_fold(spec, key, status.run, [folder / "predictions.parquet", folder / "run.json"], part)
        return 1
    elif status.failure is not None:
        tracker.log_failure(spec, key, status.failure, part)
        return 1
    tracker.close_fold(key)
    return 0


def _sync_scores(
    split: SplitStore, spec: MemberSpec, statuses: Sequence[FoldStatus], tracker: MlflowTracker, logged: str | None
) -> int:
    """Log the scores of a member whose folds are all there, and its early-discard verdict, unless they are logged."""
    verdict, runs = statuses[0].verdict, [run for status in statuses if (run := status.finished) is not None]
    complete = len(runs) == len(statuses)
    content = digest([[run.ended for run in runs if complete], verdict and asdict(verdict)])
    if content == logged or not (complete or verdict or logged):
        return 0
    folds = [read_fold_status(split, spec, fold) for fold in range(len(statuses)) if complete]
    damage = next((status.damage for status in folds if status.damage is not None), None)
    if damage is not None:
        log.warning("%s is not logged to MLflow: %s", spec.name, damage)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        tracker.log_member(spec, _summary(split, spec, folds, verdict, Path(scratch)), content)
    return 1


def _summary(
    split: SplitStore, spec: MemberSpec, folds: Sequence[FoldStatus], verdict: Verdict | None, scratch: Path
) -> MemberSummary:
    """Describe a member: by its verdict alone where `folds` is empty, else by the scores of all its folds too."""
    from prefens.reporting.plots import calibration_plot, save_plot  # matplotlib takes a while to import
    from prefens.store.tracking.mlflow_values import score_note

    metrics, decision = {}, None
    if verdict is not None:
        names, decision = ("gain", "low", "high", "threshold"), verdict.decision
        metrics = {f"early_discard_{name}": getattr(verdict, name) for name in names}
    if not folds:
        now = time.time()
        if verdict is None:
            return MemberSummary(metrics, "", None, now, now, finished=False)
        note = f"{verdict.decision.capitalize()} after its first fold: {verdict.comparison}."
        return MemberSummary(metrics, note, decision, verdict.time, verdict.time, verdict.discarded)
    records = [status.run for status in folds if status.run is not None]
    runs = [status.predictions for status in folds if status.predictions is not None]
    stack, holdout = make_stack(split.folds, {spec.info: runs})
    for name, rows in (("oof", stack), ("holdout", holdout)):
        values = {} if rows is None else scores(rows.probabilities[0], rows.folds).as_dict()
        metrics |= {f"{name}_{score}": value for score, value in values.items()}
    metrics["seconds"] = sum(run.seconds for run in records)
    files = [save_plot(calibration_plot(stack.probabilities[0], stack.folds.label, spec.name), scratch)]
    started, ended = min(run.started for run in records), max(run.ended for run in records)
    return MemberSummary(metrics, score_note(metrics), decision, started, ended, True, split.folds, files)


def sync_blend(split: SplitStore, tracker: MlflowTracker) -> int:
    """Log the stored blend, unless it is logged; return how many runs that were, 0 or 1.

    StoreError where it is damaged.
    """
    if not split.has_blend() or tracker.has_blend(split.blend()["predictions_digest"]):
        return 0
    from prefens.ensemble.files.blend_files import read_blend
    from prefens.inference.saved_model import stored_model  # members take a while to import

    files = sorted(path for path in split.blend_dir.rglob("*") if path.is_file() and path.name != MANIFEST)
    log_blend(read_blend(split.blend_path), files, stored_model(split), OOFStore(split.root).is_best(split), tracker)
    return 1


def log_blend(blend: Blend, files: Sequence[Path], model: Path | None, best: bool, tracker: MlflowTracker) -> str:
    """Log a blend with its files, blend.json among them, and its saved model, `best` or not; return its run's id."""
    from prefens.ensemble.files.blend_files import blend_tags

    metrics = {
        f"{result.method.replace('+', '-')}_{kind}": value  # MLflow's names have no +
        for result in blend.results
        for kind, value in (("honest", result.honest), ("fitted", result.fitted))
    }
    own = blend.scores()
    metrics |= {} if own is None else {f"oof_{name}": value for name, value in own.as_dict().items()}
    tables = {
        "leaderboard": [row.as_dict() for row in blend.leaderboard],
        "members": [row.as_dict() for row in blend.members],
    }
    name, tags = f"blend of {len(blend.names)}", blend_tags(blend)
    return tracker.log_blend(name, tags["prefens.blend"], metrics, tags, files, tables, model, blend.folds, best)


def member_stack(split: SplitStore, spec: MemberSpec) -> tuple[OOFStack, OOFStack | None]:
    """Return the stack of one stored member, and that of its hold-out rows; errors as in `make_stack`."""
    runs = [split.predictions(spec, fold) for fold in range(split.folds.k)]
    return make_stack(split.folds, {spec.info: runs})
