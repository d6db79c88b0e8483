"""Several processes that train one fold run together: the result of a single one, and the same end."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.encoders import without_dropout
from tests.helpers.examples import make_pairs, make_tiny_encoder, write_csv

SETTINGS = (
    "data.path=train.csv folds.k=3 fold=1 text.max_length=64 head.dropout=0 tracking=none "
    "training.lr=1e-3 training.head_lr=1e-2 training.batch_pairs=8 training.token_budget=300 training.save=none "
    "training.min_steps=0"
).split()
ENCODER = ("backbone=bert-base-uncased", "backbone.path=calm")
DECODER = ("backbone=hub", "backbone.name=tiny", "backbone.path=decoder", "training=lora", "pairing=cross", "head=mlp")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "train.csv", make_pairs(60))
    without_dropout(make_tiny_encoder("bert", tmp_path / "tiny"), tmp_path)
    return tmp_path


def start(
    folder: Path, count: int, root: str, *settings: str, backbone: Sequence[str] = ENCODER
) -> subprocess.Popen[str]:
    """Train in some processes on the CPU; `accelerate launch --cpu` itself starts a single one."""
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(count), "--main_process_port=0"]
    overrides = [*SETTINGS, *backbone, f"tracking.root={root}", *settings]
    line = [sys.executable, *(launch if count > 1 else []), "-m", "prefens.train", *overrides]
    alone = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(line, cwd=folder, env=alone, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    try:
        stdout, stderr = process.communicate(timeout=280)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def launched(folder: Path, count: int, root: str, *settings: str) -> subprocess.CompletedProcess[str]:
    return ended(start(folder, count, root, *settings))


def predictions(folder: Path, root: str) -> np.ndarray:
    (path,) = (folder / root).glob("store/*/members/*/fold-1/predictions.parquet")
    return pd.read_parquet(path).select_dtypes("number").to_numpy()


@pytest.mark.slow
def test_two_processes_train_what_one_does(folder: Path) -> None:
    for count, root in ((1, "one"), (2, "two")):
        done = launched(folder, count, root, "training.patience=5", "training.ema=0.5")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("log loss") <= 1 or count == 1
    np.testing.assert_allclose(predictions(folder, "two"), predictions(folder, "one"), atol=1e-4)
    runs = json.loads((folder / "two" / "train.json").read_text())["runs"]
    assert [row["fold"] for row in runs] == [1]
    again = launched(folder, 2, "two", "training.patience=5", "training.ema=0.5")
    assert again.returncode == 0, again.stderr
    assert "was finished" in again.stdout + again.stderr
    assert not list((folder / "two" / "locks").glob("*.json"))


@pytest.mark.slow
def test_two_processes_train_the_adapters_that_one_does_and_go_on_from_a_checkpoint_of_them(folder: Path) -> None:
    make_tiny_decoder("llama", folder / "decoder")
    exact = ("training.precision=fp32", "training.lora.dropout=0")
    settings = (*exact, "training.swap=both", "training.epochs=4", "training.checkpoint_minutes=0")

    def decoder(count: int, root: str) -> subprocess.Popen[str]:
        return start(folder, count, root, *settings, backbone=DECODER)

    assert ended(decoder(1, "one")).returncode == 0
    stopped = decoder(2, "two")
    while not (checkpoints := [*(folder / "two").glob("checkpoints/*.pt")]) and stopped.poll() is None:
        time.sleep(0.05)
    stopped.terminate()
    assert ended(stopped).returncode != 0
    weights = torch.load(checkpoints[0], map_location="cpu", weights_only=True)["model"]
    assert all(".lora_" in name or name.startswith("head.") for name in weights)
    assert sum(".lora_" in name for name in weights) == 2 * 7 * 2  # two matrices at all linear layers of two blocks
    done = ended(decoder(2, "two"))
    assert done.returncode == 0, done.stderr
    assert "going on from step" in done.stdout + done.stderr
    np.testing.assert_allclose(predictions(folder, "two"), predictions(folder, "one"), atol=1e-5)
    assert np.ptp(predictions(folder, "one"), axis=0).max() > 1e-2


@pytest.mark.slow
def test_processes_fail_together_and_say_so_once(folder: Path) -> None:
    failed = launched(folder, 2, "bad", "training.head_lr=1e30")
    assert failed.returncode != 0
    assert failed.stderr.count("failed: data.path") == 1, failed.stderr
    assert "at step" in failed.stderr


@pytest.mark.slow
def test_settings_that_all_refuse_are_reported_once_and_soon(folder: Path) -> None:
    failed = launched(folder, 2, "bad", "training.mode=lora", "training.lora.targets=[nowhere]")
    assert failed.returncode != 0
    assert failed.stderr.count("failed: data.path") == 1, failed.stderr
    assert "has no such linear layers" in failed.stderr
    assert "unexpected error" not in failed.stdout + failed.stderr


def test_commands_that_train_nothing_together_are_refused(folder: Path) -> None:
    together = os.environ | {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}
    line = [sys.executable, "-m", "prefens.tune", "data.path=train.csv", "tracking=none"]
    done = subprocess.run(line, cwd=folder, env=together, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert "prefens.tune in 2 processes" in done.stderr


def test_several_jobs_in_processes_that_train_together_are_refused(folder: Path) -> None:
    together = os.environ | {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}
    line = [sys.executable, "-m", "prefens.train", "-m", "data.path=train.csv", "seed=0,1", "tracking=none"]
    done = subprocess.run(line, cwd=folder, env=together, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1
    assert "-m in 2 processes that train together" in done.stderr
