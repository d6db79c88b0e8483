"""Runs of dead processes are ended by the next command, those of living ones never."""

import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from prefens.core.files import write_json
from prefens.core.leases.leases import Holder, fold_lease
from prefens.core.leases.processes import ProcessIdentity
from prefens.runner.sync import open_tracker
from prefens.store.leftovers import dead_leases
from prefens.store.tracking.dead_runs import LEASE, close_dead_runs
from prefens.store.tracking.factory import Tracking
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.examples import SPEC

LIVING = replace(ProcessIdentity.current(), pid=os.getppid(), started=0.0)


@pytest.fixture
def tracker(tmp_path: Path) -> MlflowTracker:
    return MlflowTracker(tmp_path, "prefens")


def hold(path: Path, alive: bool, **metadata: str) -> None:
    """Leave a lease as a process does that lives in another container, or that was killed."""
    process = replace(LIVING, namespace="a container") if alive else LIVING
    write_json(path, asdict(Holder(process, time.time(), metadata)))


def statuses(tracker: MlflowTracker) -> dict[str, str]:
    runs = tracker.client.search_runs([tracker.experiment_id])
    return {run.info.run_name: run.info.status for run in runs}


@pytest.mark.parametrize("alive", [True, False])
def test_fold_runs_end_with_their_processes_and_the_member_with_the_last(tracker: MlflowTracker, alive: bool) -> None:
    for fold in (0, 1):
        key = SPEC.key(fold)
        tracker.start_fold(SPEC, key, 1.0)
        hold(fold_lease(tracker.root, key), alive=bool(fold) and alive, member_digest=key.member_digest)
    for _ in range(2):
        close_dead_runs(tracker.backend, dead_leases(tracker.root))
        status = "RUNNING" if alive else "KILLED"
        assert statuses(tracker) == {
            SPEC.name: status,
            f"{SPEC.name} fold 0": "KILLED",
            f"{SPEC.name} fold 1": status,
        }
    assert len([*tracker.root.glob("locks/fold-*.json")]) == 2  # whoever trains them next says who died
    tracker.start_fold(SPEC, SPEC.key(0), 2.0)
    assert statuses(tracker)[SPEC.name] == statuses(tracker)[f"{SPEC.name} fold 0"] == "RUNNING"


@pytest.mark.parametrize("alive", [True, False])
def test_the_next_command_ends_a_blend_that_was_killed_while_it_was_logged(
    tracker: MlflowTracker, alive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        (lease,) = tracker.root.glob("locks/run-blend-*.json")
        content = json.loads(lease.read_text())
        hold(lease, alive, **content["metadata"])
        raise KeyboardInterrupt

    monkeypatch.setattr(tracker, "_log_blend", killed)
    monkeypatch.setattr("prefens.store.tracking.dead_runs.end_dead_run", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        tracker.log_blend("blend", "c" * 64, {}, {}, [], {})
    monkeypatch.undo()
    logged = tracker.client.create_logged_model(tracker.experiment_id, "model", tracker.backend.find("")[0].info.run_id)
    files = tracker.root / "artifacts" / "models" / logged.model_id
    (files / "artifacts").mkdir(parents=True)
    with open_tracker(Tracking(str(tracker.root), "prefens", True)):
        assert statuses(tracker) == {"blend": "RUNNING" if alive else "KILLED"}
        assert files.exists() == alive
    assert len([*tracker.root.glob("locks/*.json")]) == alive
    if not alive:
        tracker.log_blend("blend", "c" * 64, {}, {}, [], {})
        assert statuses(tracker) == {"blend": "FINISHED"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_report_that_is_cut_off_leaves_no_open_run(
    tracker: MlflowTracker, error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise error

    monkeypatch.setattr(tracker.client, "log_artifact", cut)
    with pytest.raises(error):
        tracker.log_report("report", {}, [tmp_path / "report.html"])
    assert statuses(tracker) == {"report": "KILLED"}
    assert [*tmp_path.glob("locks/*.json")] == []
    (run,) = tracker.backend.find("")
    assert run.data.tags[LEASE].startswith("run-report-")
