"""MLflow for tests, as the commands get it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from prefens.store.integrity import FileRecord
from prefens.store.run_record import RunRecord
from prefens.store.tracking.guarded_tracker import GuardedTracker
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from prefens.store.tracking.tracker import MemberSummary
from tests.helpers.examples import SPEC, run_result


def guarded(connect: Callable[[], MlflowTracker], root: Path) -> GuardedTracker:
    return GuardedTracker(connect, root / "locks" / "unsynced", str(root / "mlflow.db"), "python -m prefens.sync")


SUMMARY = MemberSummary({"oof_log_loss": 1.0}, "a note", None, 1.0, 2.0, finished=True)


FILES = {"model/weights": FileRecord(3, "0" * 64)}


def run_record(fold: int = 0, started: float = 1.0) -> RunRecord:
    """Return what a run.json holds."""
    result = run_result(seconds=1.0, curves={"train_loss": [1.1, 1.0]})
    return RunRecord(**vars(result), key=SPEC.key(fold), started=started, ended=started + 1, files=FILES)


def log_fold(tracker: MlflowTracker, fold: int, files: Sequence[Path] = ()) -> str:
    run = tracker.start_fold(SPEC, SPEC.key(fold), 1.0)
    tracker.log_fold(SPEC, SPEC.key(fold), run_record(fold), files)
    return run
