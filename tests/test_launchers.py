"""Sweeps by every launcher: all jobs run, one that fails ends nothing, and the summary names it."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from multiprocessing import current_process
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from prefens.core import resources
from prefens.runner.config import CONF_DIR
from prefens.runner.sweep import latest
from tests.helpers.commands import prefens
from tests.helpers.containers import container
from tests.helpers.examples import make_pairs, write_csv

SWEEP = ["data.path=train.csv", "backbone=style", "backbone.strengths=[0.1]", "folds.k=3", "fold=0,99,1,2"]


@pytest.mark.parametrize("path", sorted(CONF_DIR.glob("hydra/launcher/*.yaml")), ids=lambda path: path.stem)
def test_launchers_compose_and_clash_with_no_plugin(path: Path) -> None:
    (plugin,) = OmegaConf.load(path).defaults
    assert path.stem not in {"basic", "joblib", "ray", "ray_aws", "submitit_local", "submitit_slurm"}
    if find_spec(f"hydra_plugins.hydra_{plugin.split('_')[0]}_launcher") is None:
        pytest.skip(f"needs the launcher {plugin}")
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        composed = compose("train", overrides=[f"hydra/launcher={path.stem}"], return_hydra_config=True)
    assert composed.hydra.launcher._target_.startswith("hydra_plugins.")


def test_a_sweep_notes_the_jobs_that_hydra_runs(tmp_path: Path) -> None:
    """However they are written: names chosen by a pattern, quotes, a setting given twice."""
    swept = ["folds=glob(*)", "out='a b','c,d'", "seed=5", "seed=range(2)", "data.path=none.csv", "tracking=none"]
    prefens("train", "-m", *swept, cwd=tmp_path, fails=True)
    sweep = latest(tmp_path / "runs")
    assert sweep is not None
    outcomes = sweep.outcomes()
    assert len(outcomes) == 4 * len(list(CONF_DIR.glob("folds/*.yaml")))
    assert json.loads((sweep.folder / "sweep.json").read_text())["jobs"] == [each.overrides for each in outcomes]
    assert sweep.pending() == []


def test_a_sweep_of_another_command_is_refused(tmp_path: Path) -> None:
    refused = prefens("status", "-m", "watch=false,true", cwd=tmp_path, fails=True).stderr
    assert "only prefens.train runs sweeps" in refused
    assert "Traceback" not in refused


TRAIN = """
import fcntl, os, runpy, sys
assert os.getpid() == 1
fcntl.flock = lambda *_: None  # a network file system that keeps locks to each machine
sys.argv[0] = "prefens.train"
runpy.run_module("prefens.train", run_name="__main__")
"""


@pytest.mark.slow
def test_two_containers_on_one_store_train_each_fold_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both, Python is process 1; they have one host name, and no lock of one is seen by the other."""
    write_csv(tmp_path / "train.csv", make_pairs(60))
    monkeypatch.chdir(tmp_path)
    line = "data.path=train.csv folds.k=3 backbone=textcnn text.max_length=32 training.epochs=30 tracking=none".split()
    trained: list[int] = []
    first = container(TRAIN, *line, "out=first", "training.checkpoint_minutes=0")
    end = time.monotonic() + 200
    while not [*tmp_path.glob("runs/locks/*.json")] and time.monotonic() < end:
        time.sleep(0.01)
    second = container(TRAIN, *line, "out=second", "training.checkpoint_minutes=0")
    for process, out in ((first, "first"), (second, "second")):
        process.communicate(timeout=250)
        assert process.returncode == 0
        runs = json.loads((tmp_path / out / "train.json").read_text())["runs"]
        assert [run["fold"] for run in runs] == [0, 1, 2]
        trained += [run["fold"] for run in runs if run["trained"]]
    assert sorted(trained) == [0, 1, 2]
    assert [*tmp_path.rglob(".*.prefens"), *tmp_path.glob("runs/locks/*.json"), *tmp_path.rglob("*.pt")] == []


def check_sweep(launcher: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    """Run a sweep of three folds and one that there is not."""
    write_csv(folder / "train.csv", make_pairs(60))
    line = [sys.executable, "-m", "prefens.train", "-m", *SWEEP, *launcher]
    done = subprocess.run(
        line, cwd=folder, env=os.environ | (environment or {}), capture_output=True, text=True, timeout=280, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert done.stderr.count("failed:") == 1, told
    assert "fold=99\n  expected: 0 to 2" in done.stderr
    assert len(list(folder.glob("runs/store/*/members/*/fold-*/run.json"))) == 3
    assert len(list(folder.glob("runs/hydra/*/*/*/outcome.json"))) == 4
    from prefens.store.tracking.mlflow_tracker import MlflowTracker

    tracker = MlflowTracker(folder / "runs", "prefens")
    roles = sorted(run.data.tags["prefens.role"] for run in tracker.client.search_runs([tracker.experiment_id]))
    assert roles == ["fold"] * 3 + ["member"]


@pytest.mark.slow
def test_processes(tmp_path: Path) -> None:
    check_sweep(["hydra/launcher=processes"], tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("submitit") is None, reason="needs submitit: pip install 'prefens[slurm]'")
def test_queue(tmp_path: Path) -> None:
    check_sweep(["hydra/launcher=queue", "hydra.sweeper.max_batch_size=2"], tmp_path)


RAY = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_DEDUP_LOGS": "0"}


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Ray cluster of two cores, started in another folder than the sweep."""
    folder = tmp_path_factory.mktemp("cluster")
    program = str(Path(sys.executable).with_name("ray"))
    line = [program, "start", "--head", "--block", "--port=0", "--num-cpus=2", "--include-dashboard=false"]
    with (folder / "log.txt").open("wb") as stream:
        head = subprocess.Popen(
            [*line, "--disable-usage-stats"], cwd=folder, env=os.environ | RAY, stdout=stream, stderr=stream
        )
    try:
        until = time.monotonic() + 90
        while subprocess.run([program, "status"], env=os.environ | RAY, capture_output=True, check=False).returncode:
            assert head.poll() is None, (folder / "log.txt").read_text()
            assert time.monotonic() < until, (folder / "log.txt").read_text()
            time.sleep(1)
        yield folder
    finally:
        head.terminate()
        head.wait(timeout=60)


@pytest.mark.ray
@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install 'prefens[ray]'")
def test_ray_cluster(cluster: Path, tmp_path: Path) -> None:
    check_sweep(["hydra/launcher=ray_cluster"], tmp_path, RAY)
    assert [path.name for path in cluster.iterdir()] == ["log.txt"]


@pytest.mark.parametrize(("worker", "gpu"), [(1, "0"), (2, "1"), (3, "0"), (4, "1")])
def test_workers_take_gpus_in_turn(worker: int, gpu: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(resources.VISIBLE_GPUS, raising=False)
    monkeypatch.setattr(resources, "GPU_FOLDER", tmp_path)
    resources.assign_gpu()
    assert resources.VISIBLE_GPUS not in os.environ
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(current_process(), "_name", f"LokyProcess-{worker}")
    for _ in range(2):  # the worker's next job keeps it
        resources.assign_gpu()
        assert os.environ[resources.VISIBLE_GPUS] == gpu
    monkeypatch.setenv(resources.VISIBLE_GPUS, "5,7")
    resources.assign_gpu()
    assert os.environ[resources.VISIBLE_GPUS] == "57"[(worker - 1) % 2]
