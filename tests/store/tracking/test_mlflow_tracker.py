"""MLflow: one parent run per member whoever asks, a store that can be made by two at once and moved."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from prefens.store.failures import Failure
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from tests.helpers.examples import SPEC
from tests.helpers.trackers import SUMMARY, log_fold


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mlflow") / "runs"
    MlflowTracker(root, "prefens")
    return root


def test_parents_children_curves_and_files(made: Path, tmp_path: Path) -> None:
    tracker = MlflowTracker(made, "nested")
    file = tmp_path / "run.json"
    file.write_text("{}")
    children = [log_fold(tracker, fold, [file]) for fold in range(3)]
    tracker.log_member(SPEC, SUMMARY, "c")
    runs = tracker.client.search_runs([tracker.experiment_id])
    parents = [run for run in runs if run.data.tags["prefens.role"] == "member"]
    assert len(parents) == 1
    assert parents[0].info.run_name == SPEC.name
    assert parents[0].data.metrics["oof_log_loss"] == 1.0
    assert parents[0].data.params["backbone.bits"] == "4"
    assert {run.info.run_id for run in runs if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id} == {
        *children
    }
    assert all(run.info.status == "FINISHED" for run in runs)
    assert [point.value for point in tracker.client.get_metric_history(children[0], "train_loss")] == [1.1, 1.0]
    assert [item.path for item in tracker.client.list_artifacts(children[0])] == ["run.json"]


def test_the_commit_of_a_hub_backbone_is_a_tag(made: Path) -> None:
    spec, tracker = replace(SPEC, recipe={**SPEC.recipe, "commit": "c" * 40}), MlflowTracker(made, "hub")
    assert tracker.client.get_run(tracker.start_fold(spec, spec.key(0), 1.0)).data.tags["prefens.commit"] == "c" * 40
    assert "prefens.commit" not in tracker.client.get_run(tracker.start_fold(SPEC, SPEC.key(0), 1.0)).data.tags


def test_a_failed_fold_is_marked(made: Path) -> None:
    tracker = MlflowTracker(made, "failed")
    run = tracker.start_fold(SPEC, SPEC.key(0), 1.0)
    tracker.log_failure(SPEC, SPEC.key(0), Failure("ValueError", "no good", 1.0, 2.0, "host", 1))
    found = tracker.client.get_run(run)
    assert (found.info.status, found.info.end_time) == ("FAILED", 2000)
    assert found.data.tags["prefens.error"] == "no good"


def test_the_next_attempt_at_a_fold_takes_the_place_of_the_last(made: Path) -> None:
    tracker = MlflowTracker(made, "attempts")
    tracker.start_fold(SPEC, SPEC.key(0), 1.0)
    other = log_fold(tracker, 1)
    second = tracker.start_fold(SPEC, SPEC.key(0), 2.0)
    assert tracker.start_fold(SPEC, SPEC.key(0), 2.0) == second
    folds = tracker.backend.find("tags.`prefens.role` = 'fold'", 10)
    assert {run.info.run_id for run in folds} == {other, second}


def test_member_runs_that_two_machines_made_are_merged_into_the_earliest(made: Path) -> None:
    tracker = MlflowTracker(made, "doubled")
    tags = {"prefens.role": "member", "prefens.member": SPEC.key(0).member_digest}
    later, earlier = (
        tracker.client.create_run(tracker.experiment_id, start, tags, "x").info.run_id for start in (20, 10)
    )
    children = [
        tracker.client.create_run(
            tracker.experiment_id,
            tags={
                "prefens.role": "fold",
                "prefens.member": SPEC.key(0).member_digest,
                "mlflow.parentRunId": parent,
            },
        )
        for parent in (earlier, later)
    ]
    tracker.log_member(SPEC, SUMMARY, "c")
    runs = {run.info.run_id: run for run in tracker.client.search_runs([tracker.experiment_id])}
    assert {*runs} == {earlier, *(child.info.run_id for child in children)}
    assert {runs[child.info.run_id].data.tags["mlflow.parentRunId"] for child in children} == {earlier}
    assert runs[earlier].data.params["backbone.bits"] == "4"


def test_runs_of_dead_processes_are_marked_and_no_others(made: Path) -> None:
    tracker = MlflowTracker(made, "abandoned")
    dead, other = (tracker.start_fold(SPEC, SPEC.key(fold), 1.0) for fold in (0, 1))
    tracker.close_fold(SPEC.key(0))
    found = tracker.client.get_run(dead)
    assert (found.info.status, found.data.tags["prefens.error"]) == ("KILLED", "its process died, or was stopped")
    assert tracker.client.get_run(other).info.status == "RUNNING"


def test_a_moved_root_keeps_its_artifacts(made: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    MlflowTracker(made, "moved")
    shutil.copytree(made, here)
    (tmp_path / "run.json").write_text("{}")
    run = log_fold(MlflowTracker(here, "moved"), 0, [tmp_path / "run.json"])
    here.rename(there)
    moved = MlflowTracker(there, "moved")
    assert moved.client.get_run(run).info.artifact_uri.startswith(there.as_uri())
    assert Path(moved.client.download_artifacts(run, "run.json")).read_text() == "{}"
    log_fold(moved, 1, [tmp_path / "run.json"])
    assert len(list(there.rglob("run.json"))) == len(list(made.rglob("run.json"))) + 2
    assert not here.exists()


PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.helpers.examples import SPEC
from tests.helpers.trackers import SUMMARY, log_fold
from prefens.store.tracking import mlflow_backend
from prefens.store.tracking.mlflow_tracker import MlflowTracker
mlflow_backend.LOCK_SECONDS = 150.0  # a busy machine takes its time to make a database
tracker = MlflowTracker(Path(sys.argv[1]), "race")
log_fold(tracker, int(sys.argv[2]))
tracker.log_member(SPEC, SUMMARY, "c")
"""


@pytest.mark.slow
def test_processes_that_start_at_once_make_one_store_and_one_parent(tmp_path: Path) -> None:
    started = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path), str(fold)]) for fold in range(4)]
    assert [process.wait(timeout=200) for process in started] == [0] * 4
    tracker = MlflowTracker(tmp_path, "race")
    runs = tracker.client.search_runs([tracker.experiment_id])
    assert sorted(run.data.tags["prefens.role"] for run in runs) == ["fold"] * 4 + ["member"]
