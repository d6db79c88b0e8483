"""Sweeps of many processes against a real tracking server, which may go away in the middle."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.examples import make_pairs, write_csv
from tests.helpers.servers import Server, make_server, remove

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]
FAST = ["backbone=style", "backbone.strengths=[0.1]", "folds.k=4"]
EIGHT = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=8", "fold=0,1,2,3", "seed=0,1"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = make_server()
    try:
        made.start()
        yield made
    finally:
        remove(made)


def start(command: str, *arguments: object, cwd: Path) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", f"prefens.{command}", *map(str, arguments)]
    write_csv(cwd / "train.csv", make_pairs(60))
    given = ["data.path=train.csv"] if command in ("train", "blend") else []
    pipe = subprocess.PIPE
    return subprocess.Popen([*line, *given], cwd=cwd, stdout=pipe, stderr=pipe, text=True, env=os.environ.copy())


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, out + err
    return out + err


def runs_of(root: Path, experiment: str, uri: str | None = None) -> list[Any]:
    from prefens.store.tracking.mlflow_tracker import MlflowTracker

    tracker = MlflowTracker(root, experiment, uri)
    return list(tracker.client.search_runs([tracker.experiment_id]))


def check_runs(runs: list[Any], members: int, folds: int) -> None:
    """One finished run per member and per fold run, each fold's below its member's, all with their results."""
    roles: dict[str, list[Any]] = {"member": [], "fold": [], "blend": []}
    for run in runs:
        roles[run.data.tags["prefens.role"]].append(run)
    assert len({run.data.tags["prefens.member"] for run in roles["member"]}) == len(roles["member"]) == members
    assert Counter(run.data.tags["prefens.key"] for run in roles["fold"]).most_common(1)[0][1] == 1
    assert len(roles["fold"]) == folds * members
    parents = Counter(run.data.tags["mlflow.parentRunId"] for run in roles["fold"])
    assert parents == {run.info.run_id: folds for run in roles["member"]}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all("oof_log_loss" in run.data.metrics for run in roles["member"])
    assert all("log_loss" in run.data.metrics for run in roles["fold"])


@pytest.mark.parametrize("place", ["server", "sqlite"])
def test_eight_processes_lose_and_double_nothing(place: str, server: Server, tmp_path: Path) -> None:
    uri = server.uri if place == "server" else None
    tracking = [f"tracking={'server' if uri else 'local'}", "tracking.experiment=eight"]
    tracking += [f"tracking.uri={uri}"] if uri else []
    messages = finished(start("train", "-m", *FAST, *EIGHT, *tracking, cwd=tmp_path))
    assert "locked" not in messages
    runs = runs_of(tmp_path / "runs", "eight", uri)
    check_runs(runs, members=2, folds=4)
    assert "0 runs logged" in finished(start("sync", *tracking, cwd=tmp_path))
    assert {run.info.run_id for run in runs_of(tmp_path / "runs", "eight", uri)} == {run.info.run_id for run in runs}


@pytest.mark.parametrize("by", ["sync", "train", "blend"])
def test_what_a_server_missed_is_logged_by_the_next_command(by: str, server: Server, tmp_path: Path) -> None:
    experiment = f"outage-{by}"
    tracking = ["tracking=server", f"tracking.uri={server.uri}", f"tracking.experiment={experiment}"]
    sweep = start("train", "-m", *FAST, "fold=0,1,2,3", "seed=0,1", *tracking, cwd=tmp_path)
    results = "runs/store/*/members/*/fold-*/run.json"
    while len(list(tmp_path.glob(results))) < 2:
        assert sweep.poll() is None
        time.sleep(0.05)
    assert server.stop() == 0
    try:
        messages = finished(sweep)
        assert len(list(tmp_path.glob(results))) == 8
        assert messages.count("python -m prefens.sync tracking=server") == 1
        assert "Traceback" not in messages
        blend = finished(start("blend", "blender=soft_vote", *tracking, cwd=tmp_path))
        assert blend.count("python -m prefens.sync tracking=server") == 1
    finally:
        server.start()
    given = {"sync": [], "train": ["-m", *FAST, "seed=0,1"], "blend": ["blender=soft_vote"]}[by]
    finished(start(by, *given, *tracking, cwd=tmp_path))
    runs = runs_of(tmp_path / "runs", experiment, server.uri)
    check_runs(runs, members=2, folds=4)
    stored = [json.loads(path.read_text()) for path in tmp_path.glob(results)]
    times = {(int(1000 * run["started"]), int(1000 * run["ended"])) for run in stored}
    folds = [run for run in runs if run.data.tags["prefens.role"] == "fold"]
    assert {(run.info.start_time, run.info.end_time) for run in folds} == times
    assert [run.data.tags["prefens.best"] for run in runs if run.data.tags["prefens.role"] == "blend"] == ["soft_vote"]
    finished(start("sync", *tracking, cwd=tmp_path))
    assert len(runs_of(tmp_path / "runs", experiment, server.uri)) == len(runs)
    predict_from_the_server(experiment, tracking, tmp_path)


def predict_from_the_server(experiment: str, tracking: list[str], folder: Path) -> None:
    """The model that was logged predicts as the store does."""
    write_csv(folder / "test.csv", make_pairs(10, seed=5), labelled=False)
    for name, model in (("stored", []), ("registered", [f"model=models:/{experiment}@best"])):
        finished(start("predict", "data.path=test.csv", *model, *tracking, f"out={name}", cwd=folder))
    stored, registered = (folder / name / "submission.csv" for name in ("stored", "registered"))
    assert stored.read_bytes() == registered.read_bytes()


MACHINE = """
import sys
from pathlib import Path
from tests.helpers.examples import SPEC
from tests.helpers.trackers import SUMMARY, log_fold
from prefens.store.tracking.mlflow_tracker import MlflowTracker
print("ready", flush=True)
sys.stdin.readline()
tracker = MlflowTracker(Path(sys.argv[1]), "machines", sys.argv[2])
for fold in (int(sys.argv[3]), int(sys.argv[3]) + 1):
    log_fold(tracker, fold)
tracker.log_member(SPEC, SUMMARY, "c")
"""


def test_machines_that_share_only_the_server_make_one_run_per_member(server: Server, tmp_path: Path) -> None:
    """No file lock holds one off while the other looks and creates."""
    pipe = subprocess.PIPE
    machines = [
        subprocess.Popen(
            [sys.executable, "-c", MACHINE, str(tmp_path / str(n)), server.uri, str(2 * n)],
            stdin=pipe,
            stdout=pipe,
            text=True,
        )
        for n in range(4)
    ]
    for machine in machines:
        assert machine.stdout is not None
        assert machine.stdout.readline() == "ready\n"
    for machine in machines:
        machine.communicate("go\n", timeout=120)
    assert [machine.returncode for machine in machines] == [0] * 4
    check_runs(runs_of(tmp_path, "machines", server.uri), members=1, folds=8)


def test_what_was_trained_without_mlflow_is_logged_from_the_store(server: Server, tmp_path: Path) -> None:
    finished(start("train", *FAST, "tracking=none", cwd=tmp_path))
    tracking = ["tracking=server", f"tracking.uri={server.uri}", "tracking.experiment=none"]
    for _ in range(2):
        finished(start("sync", *tracking, cwd=tmp_path))
        check_runs(runs_of(tmp_path / "runs", "none", server.uri), members=1, folds=4)
