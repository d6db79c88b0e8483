"""MLflow for tests, as the commands get it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefens.store.tracking.guarded_tracker import GuardedTracker
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from prefens.store.tracking.tracker import MemberSummary
from tests.helpers.examples import SPEC


def guarded(connect: Callable[[], MlflowTracker], root: Path) -> GuardedTracker:
    return GuardedTracker(connect, root / "locks" / "unsynced", "python -m prefens.sync")


SUMMARY = MemberSummary({"oof_log_loss": 1.0}, "a note", None, 1.0, 2.0, finished=True)


def result(started: float = 1.0) -> dict[str, Any]:
    """Return what a run.json says."""
    scores = {"log_loss": 1.0, "accuracy": 0.5, "seconds": 1.0}
    return {"started": started, "ended": started + 1, **scores, "facts": {}, "curves": {"train_loss": [1.1, 1.0]}}


def log_fold(tracker: MlflowTracker, fold: int, files: Sequence[Path] = ()) -> str:
    run = tracker.start_fold(SPEC, SPEC.key(fold), 1.0)
    tracker.log_fold(SPEC, SPEC.key(fold), result(), files)
    return run
