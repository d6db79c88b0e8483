"""A sweep that is killed at 20 random moments ends with the same bits as one that is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from prefens.core.leases import holder_of
from prefens.runner.sync import member_stack
from prefens.store.oof_store import OOFStore
from tests.helpers.examples import make_pairs, write_csv

KILLS = 20
SWEEP = (
    "-m data.path=train.csv folds.k=3 backbone=style,textcnn seed=0,1 text.max_length=64 training.epochs=20 "
    "training.batch_pairs=4 training.checkpoint_minutes=0.01"
).split()


def start(root: str, cwd: Path) -> subprocess.Popen[bytes]:
    """Begin the sweep in a process group of its own."""
    line = [sys.executable, "-m", "prefens.train", *SWEEP, f"tracking.root={root}"]
    with (cwd / f"{root}.log").open("ab") as log:
        return subprocess.Popen(line, cwd=cwd, stdout=log, stderr=log, start_new_session=True)


def wait_for(found: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Wait for something of a process that may end before; whether it came."""
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if found():
            return True
        time.sleep(0.01)
    return False


def holds_lease(root: Path, process: subprocess.Popen[bytes]) -> bool:
    return any(getattr(holder_of(path), "pid", 0) == process.pid for path in root.glob("locks/fold-*.json"))


def has_written(root: Path, since: float) -> bool:
    return any(mtime(path) > since for path in root.glob("checkpoints/*.pt"))


def mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def oof(root: Path) -> dict[str, np.ndarray]:
    split = OOFStore(root).select()
    return {spec.name: member_stack(split, spec)[0].probabilities for spec in split.members()}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_random_moments_a_sweep_gives_the_same_bits(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", make_pairs(90))
    generator = np.random.default_rng(4)
    root, calm = tmp_path / "chaos", start("calm", tmp_path)
    in_training = 0
    for kill in range(KILLS):
        process, since = start("chaos", tmp_path), time.time()
        if kill % 4 == 0:  # a half-trained fold
            in_training += wait_for(lambda: has_written(root, since), process)  # noqa: B023
            time.sleep(generator.uniform(0.0, 1.0))
        elif kill % 4 == 2:  # a fold that begins, or whatever comes next
            in_training += wait_for(lambda: holds_lease(root, process), process)  # noqa: B023
            time.sleep(generator.uniform(0.0, 2.0))
        else:  # while Python, Hydra and MLflow start
            time.sleep(generator.uniform(0.0, 5.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finished = start("chaos", tmp_path).wait(timeout=600)
    told = (tmp_path / "chaos.log").read_text()
    assert finished == 0, told
    assert calm.wait(timeout=600) == 0
    assert in_training >= KILLS // 4
    assert told.count("going on from step") >= 2

    expected, found = oof(tmp_path / "calm"), oof(root)
    assert expected.keys() == found.keys()
    assert len(found) == 4
    for name, probabilities in expected.items():
        np.testing.assert_array_equal(found[name], probabilities)
    check_runs(root)
    assert list(root.glob("locks/*.json")) + list(root.glob("checkpoints/*")) == []
    assert list(root.glob("store/*/members/*/.*")) == []


def check_runs(root: Path) -> None:
    """One finished run per fold and per member: none of a dead process looks alive, or lies beside its successor."""
    from prefens.store.tracking.mlflow_tracker import MlflowTracker

    tracker = MlflowTracker(root, "prefens")
    runs = tracker.client.search_runs([tracker.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert Counter(run.data.tags["prefens.role"] for run in runs) == {"fold": 12, "member": 4}
    assert len({run.data.tags["prefens.key"] for run in runs if run.data.tags["prefens.role"] == "fold"}) == 12
