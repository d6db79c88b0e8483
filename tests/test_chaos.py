"""A sweep that is killed at 20 random moments ends with the same bits as one that is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from prefens.leases import holder_of
from prefens.scoring import member_stack
from prefens.tracking.oof_store import OOFStore
from tests.examples import make_pairs, write_csv

KILLS = 20
SWEEP = (
    "-m data.path=train.csv folds.k=3 backbone=style,textcnn seed=0,1 text.max_length=64 training.epochs=12 "
    "training.batch_pairs=4 training.checkpoint_minutes=0.01"
).split()


def start(root: str, cwd: Path) -> subprocess.Popen[bytes]:
    """Begin the sweep in a process group of its own."""
    line = [sys.executable, "-m", "prefens.train", *SWEEP, f"tracking.root={root}"]
    with (cwd / f"{root}.log").open("ab") as log:
        return subprocess.Popen(line, cwd=cwd, stdout=log, stderr=log, start_new_session=True)


def wait_for_training(process: subprocess.Popen[bytes], root: Path, patience: float) -> bool:
    """Wait until the process holds a lease; whether it does."""
    end = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < end:
        if any(getattr(holder_of(path), "pid", 0) == process.pid for path in root.glob("locks/fold-*.json")):
            return True
        time.sleep(0.02)
    return False


def oof(root: Path) -> dict[str, np.ndarray]:
    split = OOFStore(root).select()
    return {spec.name: member_stack(split, spec)[0].probabilities for spec in split.members()}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_random_moments_a_sweep_gives_the_same_bits(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", make_pairs(90))
    generator = np.random.default_rng(4)
    calm = start("calm", tmp_path)
    in_training = 0
    for kill in range(KILLS):
        process = start("chaos", tmp_path)
        if kill % 2:  # while Python, Hydra and MLflow start
            time.sleep(generator.uniform(0.0, 5.0))
        else:
            in_training += wait_for_training(process, tmp_path / "chaos", 120)
            time.sleep(generator.uniform(0.0, 2.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    told = (tmp_path / "chaos.log").read_text()
    assert start("chaos", tmp_path).wait(timeout=600) == 0, told
    assert calm.wait(timeout=600) == 0
    assert in_training >= KILLS // 4
    assert "going on from step" in told

    expected, found = oof(tmp_path / "calm"), oof(tmp_path / "chaos")
    assert expected.keys() == found.keys()
    assert len(found) == 4
    for name, probabilities in expected.items():
        np.testing.assert_array_equal(found[name], probabilities)
    check_runs(tmp_path / "chaos")
    assert list(tmp_path.glob("chaos/locks/*.json")) + list(tmp_path.glob("chaos/checkpoints/*")) == []
    assert [path for path in tmp_path.glob("chaos/store/*/members/*/.*")] == []


def check_runs(root: Path) -> None:
    """Each fold finished once and each member once, and no run of a dead process looks alive."""
    from prefens.tracking.mlflow_tracker import MlflowTracker

    tracker = MlflowTracker(root, "prefens")
    runs = tracker.client.search_runs([tracker.experiment_id])
    states = Counter(run.info.status for run in runs)
    assert states["RUNNING"] == 0
    finished = [run.data.tags for run in runs if run.info.status == "FINISHED"]
    keys = Counter(tags["prefens.key"] for tags in finished if tags["prefens.role"] == "fold")
    assert set(keys.values()) == {1}
    assert len(keys) == 12
    assert len([tags for tags in finished if tags["prefens.role"] == "member"]) == 4
    assert states["KILLED"] > 0
