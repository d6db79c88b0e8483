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
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from prefens.core.errors import StoreError
from prefens.core.hashing import digest
from prefens.core.leases import fold_lease, is_held
from prefens.core.types import OOFStack
from prefens.ensemble.leaderboard import scores
from prefens.runner.early_discard import read_race
from prefens.store.assemble import make_stack
from prefens.store.failures import failure_of
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.run_record import RunRecord
from prefens.store.split_store import SplitStore
from prefens.store.tracking.factory import make_tracker
from prefens.store.tracking.tracker import MemberSummary, NoTracker, Tracker

if TYPE_CHECKING:
    from prefens.ensemble.blend import Blend
    from prefens.store.tracking.factory import Tracking
    from prefens.store.tracking.guarded_tracker import GuardedTracker
    from prefens.store.tracking.mlflow_tracker import MlflowTracker

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 60.0  # that the end of a command may spend on what MLflow lacks


@contextmanager
def open_tracker(tracking: Tracking) -> Iterator[Tracker]:
    """Yield the tracker of the settings; afterwards log what it lacks, if calls have failed in any process."""
    tracker = make_tracker(tracking)
    if tracker is None:
        yield NoTracker()
        return
    try:
        yield tracker
    finally:
        if tracker.behind:
            logged = sync_store(OOFStore(Path(tracking.root)), tracker, PATIENCE_SECONDS)
            if not tracker.behind:
                log.info("MLflow answers again: %d runs logged", logged)


def sync_store(store: OOFStore, tracker: GuardedTracker, seconds: float = float("inf")) -> int:
    """Log what MLflow lacks of the store; return how many runs that were. `tracker.behind` says if some are left.

    What a living process trains is left to it. What is damaged is left out, with a warning. Processes on one disk take
    turns; one that has waited or worked for `seconds` leaves the rest to the next.
    """
    count, end = 0, time.monotonic() + seconds
    locks = store.root / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with suppress(TimeoutError), FileLock(locks / "sync.lock", timeout=seconds), tracker.catching_up():
        for split in store.splits():
            with _naming_damage(split):
                for spec in split.members():
                    if time.monotonic() > end:
                        raise TimeoutError
                    with _naming_damage(split):
                        count += tracker.attempt(partial(sync_member, split, spec)) or 0
                count += tracker.attempt(partial(sync_blend, split)) or 0
    return count


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
    for fold in range(split.folds.k) if spec.external is None else ():
        key = spec.key(fold)
        if logged.get(key.digest) != _fold_content(split, spec, fold) and not is_held(fold_lease(split.root, key)):
            count += sync_fold(split, spec, fold, tracker)
    return count + _sync_scores(split, spec, tracker, logged.get(spec.key(0).member_digest))


def sync_fold(split: SplitStore, spec: MemberSpec, fold: int, tracker: MlflowTracker) -> int:
    """Log what the store holds of a fold run that nobody else works on; return how many runs that were, 0 or 1."""
    key, folder = spec.key(fold), split.fold_dir(spec.name, fold)
    damage = split.damage(spec, fold) if folder.exists() else None
    if damage is not None:
        log.warning("%s fold %d is not logged to MLflow: %s", spec.name, fold, damage)
    elif split.has(spec, fold):
        tracker.log_fold(spec, key, split.record(spec, fold), [folder / "predictions.parquet", folder / "run.json"])
        return 1
    elif (failure := failure_of(folder)) is not None:
        tracker.log_failure(spec, key, failure)
        return 1
    tracker.close_fold(key)
    return 0


def _fold_content(split: SplitStore, spec: MemberSpec, fold: int) -> str | None:
    """Return the digest of what `sync_fold` logs, or None for nothing."""
    try:
        if split.has(spec, fold):
            return split.record(spec, fold).digest
    except StoreError:
        return "damaged"
    failure = failure_of(split.fold_dir(spec.name, fold))
    return None if failure is None else digest(asdict(failure))


def _sync_scores(split: SplitStore, spec: MemberSpec, tracker: MlflowTracker, logged: str | None) -> int:
    """Log the scores of a member whose folds are all there, and its early-discard verdict, unless they are logged."""
    runs, race = _results(split, spec), read_race(split, spec)
    content = digest([[run.ended for run in runs], race])
    if content == logged or not (runs or race or logged):
        return 0
    damage = next((each for fold in range(len(runs)) if (each := split.damage(spec, fold))), None)
    if damage is not None:
        log.warning("%s is not logged to MLflow: %s", spec.name, damage)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        tracker.log_member(spec, _summary(split, spec, runs, race, Path(scratch)), content)
    return 1


def _results(split: SplitStore, spec: MemberSpec) -> list[RunRecord]:
    """Return the run.json of all folds of a member; nothing where one is missing or damaged."""
    folds = range(split.folds.k)
    try:
        return [split.record(spec, fold) for fold in folds] if split.finished_folds(spec) == list(folds) else []
    except StoreError:
        return []


def _summary(
    split: SplitStore, spec: MemberSpec, runs: list[RunRecord], race: Mapping[str, Any] | None, scratch: Path
) -> MemberSummary:
    from prefens.reporting.plots import calibration_plot, save_plot  # matplotlib takes a while to import
    from prefens.store.tracking.mlflow_tracker import score_note

    metrics = {} if race is None else {f"race_{name}": race[name] for name in ("gain", "low", "high", "least")}
    verdict = None if race is None else ("lost" if race["lost"] else "stays")
    if not runs:
        time_ = time.time() if race is None else race["time"]
        note = "" if race is None else _race_note(race)
        return MemberSummary(metrics, note, verdict, time_, time_, verdict == "lost")
    stack, holdout = member_stack(split, spec)
    metrics |= {f"oof_{name}": value for name, value in scores(stack.probabilities[0], stack.folds).as_dict().items()}
    if holdout is not None:
        metrics |= {
            f"holdout_{name}": value
            for name, value in scores(holdout.probabilities[0], holdout.folds).as_dict().items()
        }
    metrics["seconds"] = sum(run.seconds for run in runs)
    files = [save_plot(calibration_plot(stack.probabilities[0], stack.folds.label, spec.name), scratch)]
    started, ended = min(run.started for run in runs), max(run.ended for run in runs)
    return MemberSummary(metrics, score_note(metrics), verdict, started, ended, True, split.folds, files)


def _race_note(race: Mapping[str, Any]) -> str:
    """Say what the comparison after the first fold has decided, Markdown."""
    return (
        f"{'Given up after its first fold' if race['lost'] else 'Stays in the race'}: mixed into the blend so far it "
        f"gains **{race['gain']:.4f}** nats [{race['low']:.4f}, {race['high']:.4f}]; {race['least']:g} were asked for."
    )


def sync_blend(split: SplitStore, tracker: MlflowTracker) -> int:
    """Log the stored blend, unless it is logged; return how many runs that were, 0 or 1.

    StoreError where it is damaged.
    """
    if not split.has_blend() or tracker.has_blend(split.blend()["predictions_digest"]):
        return 0
    from prefens.ensemble.blend_files import read_blend
    from prefens.inference.saved_model import stored_model  # members take a while to import

    files = sorted(path for path in split.blend_dir.rglob("*") if path.is_file())
    log_blend(read_blend(split.blend_path), files, stored_model(split), tracker)
    return 1


def log_blend(blend: Blend, files: Sequence[Path], model: Path | None, tracker: MlflowTracker) -> str:
    """Log a blend with its files, blend.json among them, and its saved model; return the id of its run."""
    from prefens.ensemble.blend_files import blend_tags

    metrics = {
        f"{result.method.replace('+', '-')}_{kind}": value  # MLflow's names have no +
        for result in blend.results
        for kind, value in (("honest", result.honest), ("fitted", result.fitted))
    }
    best = blend.scores()
    metrics |= {} if best is None else {f"oof_{name}": value for name, value in best.as_dict().items()}
    tables = {
        "leaderboard": [row.as_dict() for row in blend.leaderboard()],
        "members": [row.as_dict() for row in blend.members()],
    }
    name, tags = f"blend of {len(blend.names)}", blend_tags(blend)
    return tracker.log_blend(name, tags["prefens.blend"], metrics, tags, files, tables, model, blend.folds)


def member_stack(split: SplitStore, spec: MemberSpec) -> tuple[OOFStack, OOFStack | None]:
    """Return the stack of one stored member, and that of its hold-out rows; errors as in `make_stack`."""
    runs = [split.predictions(spec, fold) for fold in range(split.folds.k)]
    return make_stack(split.folds, {spec.info: runs})
