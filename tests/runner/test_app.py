"""Stopping and going on, as a user does it: signals, budgets, killed workers, full disks, damaged files."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from prefens.core.leases.leases import holder_of
from prefens.runner.sweep import latest
from tests.helpers.commands import QUIET, prefens
from tests.helpers.examples import make_pairs, write_csv

LONG = (
    "data.path=train.csv folds.k=3 backbone=textcnn text.max_length=64 training.epochs=2000 training.batch_pairs=4 "
    "tracking=none"
).split()
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "train.csv", make_pairs(90))
    return tmp_path


def start(cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "prefens.train", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, cwd=cwd, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def await_(condition: Callable[[], object], patience: float = 200) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def leases(folder: Path) -> list[Path]:
    return list(folder.glob("runs/locks/fold-*.json"))


def checkpoints(folder: Path) -> list[Path]:
    return list(folder.glob("runs/checkpoints/*.pt"))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_keeps_a_checkpoint_and_ends_without_a_traceback(folder: Path, number: int, code: int) -> None:
    often = [*LONG, "training.checkpoint_minutes=0"]
    process = start(folder, *often)
    await_(lambda: checkpoints(folder))
    (lease,) = leases(folder)
    holder = holder_of(lease)
    assert holder is not None
    assert holder.process.pid == process.pid
    about = json.loads(prefens("status", "json=true", cwd=folder).stdout)["splits"][0]
    assert about["counts"] | {"running": 1, "missing": 2} == about["counts"]
    process.send_signal(number)
    _, told = process.communicate(timeout=200)
    assert process.returncode == code
    assert "the same command goes on" in told
    assert "Traceback" not in told
    assert len(checkpoints(folder)) == 1
    assert leases(folder) == []
    spent = subprocess.run(
        [sys.executable, "-m", "prefens.train", *LONG, "budget_minutes=0.2"],
        cwd=folder, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert spent.returncode == 75, spent.stderr
    assert "the time budget is spent; the same command goes on" in spent.stderr


@pytest.mark.slow
def test_a_budget_shorter_than_the_start_ends_with_the_same_bits(folder: Path, tiny_bert: Path) -> None:
    """Each start of a sweep stores a fold, the features of a frozen encoder, or a step."""
    small = "folds.k=2 text.max_length=64 training.epochs=1 training.batch_pairs=30 tracking=none".split()
    encoder = ["backbone=hub", "backbone.name=tiny", f"backbone.path={tiny_bert}", "training.mode=frozen,full"]
    line = ["-m", "data.path=train.csv", "fold=0", *encoder, *small]
    prefens("train", *line, "tracking.root=whole", cwd=folder)
    codes = [75]
    while codes[-1] == 75:
        assert len(codes) < 30
        again = prefens("train", *line, "tracking.root=parts", "budget_minutes=0.0001", cwd=folder, fails=None)
        codes.append(again.returncode)
    assert codes[-1] == 0
    assert len(codes) > 5  # two folds of two steps
    whole, parts = (fold_files(folder / root) for root in ("whole", "parts"))
    assert len(whole) >= 4
    assert parts == whole


def fold_files(root: Path) -> dict[str, bytes]:
    """Return the predictions and the weights of all fold runs below a tracking root."""
    found = [*root.glob("store/**/predictions.parquet"), *root.glob("store/**/*.safetensors")]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


@pytest.mark.slow
def test_sigterm_to_a_parallel_sweep_reaches_its_workers(folder: Path) -> None:
    process = start(folder, "-m", *LONG, "training.checkpoint_minutes=0", "fold=0,1,2", *JOBLIB)
    await_(lambda: len(checkpoints(folder)) == 2)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=200)
    assert process.returncode == 143, told
    assert "Traceback" not in told
    assert leases(folder) == []
    sweep = latest(folder / "runs")
    assert sweep is not None
    assert [outcome.code for outcome in sweep.outcomes()] == [143, 143, 143]


@pytest.mark.slow
def test_a_worker_that_is_killed_again_and_again_costs_its_own_job_alone(folder: Path) -> None:
    victim = ["-m", "data.path=train.csv", "backbone=textcnn,style", "folds.k=3", "tracking=none", *JOBLIB]
    process = start(folder, *victim, "training.epochs=2000", "text.max_length=64")
    for _ in range(2):
        await_(lambda: [path for path in leases(folder) if named(path)])
        (path,) = [path for path in leases(folder) if named(path)]
        killed = holder_of(path)
        assert killed is not None
        os.kill(killed.process.pid, signal.SIGKILL)
        path.unlink(missing_ok=True)
    out, told = process.communicate(timeout=250)
    assert process.returncode == 1
    summary = told[told.index("\nfailed: ") :]
    assert summary.count("failed: ") == 1
    assert f"{killed.where}, which ran it" in summary
    assert "again:    python -m prefens.train data.path=train.csv backbone=textcnn" in summary
    assert "style s0" in out
    assert len(list(folder.glob("runs/store/*/members/style-*/fold-*/run.json"))) == 3


def named(path: Path) -> bool:
    holder = holder_of(path)
    return holder is not None and str(holder.metadata["member"]).startswith("textcnn")


def limited() -> None:
    """Let the process write no file above 8 kB, as a full disk would; Python turns the signal into an OSError."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))


@pytest.mark.slow
def test_a_disk_that_is_full_is_told_and_the_fold_redone(folder: Path) -> None:
    arguments = ["data.path=train.csv", "backbone=tfidf", "folds.k=3", *QUIET]
    line = [sys.executable, "-m", "prefens.train", *arguments]
    done = subprocess.run(
        line, cwd=folder, preexec_fn=limited, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 1
    assert "nothing was stored" in done.stderr
    assert "make room and run the same command again" in done.stderr
    assert list(folder.glob("runs/store/*/members/*/fold-*/run.json")) == []
    assert list(folder.glob("runs/store/*/members/*/.*")) == []
    about = json.loads(prefens("status", "json=true", cwd=folder).stdout)["splits"][0]
    assert about["counts"]["failed"] == 1
    told = prefens("status", cwd=folder).stdout
    assert "failed: tfidf" in told
    prefens("train", *arguments, cwd=folder)
    assert json.loads(prefens("status", "json=true", cwd=folder).stdout)["splits"][0]["counts"]["done"] == 3


def test_a_small_tmpfs_that_runs_full_is_told(folder: Path) -> None:
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("tmpfs can only be mounted by root")
    try:
        arguments = ["data.path=train.csv", "backbone=tfidf", "tracking=none", "backbone.strengths=[0.1]"]
        given = [*arguments, "backbone.bits=16", f"tracking.root={disk}", f"out={folder}/out"]
        done = prefens("train", *given, cwd=folder, fails=True)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert re.search("No space left on device.*; nothing was stored", done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_damaged_results_are_named_and_trained_again(folder: Path) -> None:
    arguments = ["data.path=train.csv", "backbone=tfidf", "folds.k=3", *QUIET]
    prefens("train", *arguments, cwd=folder)
    whole = {path: path.read_bytes() for path in folder.glob("runs/store/*/members/*/fold-*/predictions.parquet")}
    truncated, deleted, _ = sorted(whole)
    truncated.write_bytes(truncated.read_bytes()[:200])
    deleted.unlink()
    refused = prefens("blend", "tracking=none", cwd=folder, fails=True)
    assert str(truncated.relative_to(folder)) in refused.stderr
    assert "run the same train command again" in refused.stderr
    shutil.rmtree(next(iter(folder.glob("runs/store/*/members/*/fold-2/model"))))
    done = prefens("train", *arguments, cwd=folder)
    assert done.stderr.count("training it again") == 3
    assert {path: path.read_bytes() for path in whole} == whole
    assert done.stderr.count("was finished") == 0


@pytest.mark.parametrize("setting", ["out", "tracking.root"])
def test_where_nothing_can_be_written_is_told_before_training(folder: Path, setting: str) -> None:
    (folder / "file").write_text("")
    arguments = ["data.path=train.csv", "backbone=style", "tracking=none", f"{setting}=file/below"]
    for many in ([], ["-m"]):
        done = prefens("train", *many, *arguments, cwd=folder, fails=True)
        assert f"{setting}=file/below" in done.stderr
        assert "Traceback" not in done.stderr
        assert "log loss" not in done.stderr
