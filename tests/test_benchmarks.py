"""The benchmark programs: the rivals of training take our optimizer steps, and what runs for hours runs when tiny."""

import contextlib
import copy
import importlib.util
import json
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from prefens.members.nn.heads import HeadSettings
from prefens.members.nn.pair_model import PairModel

PROGRAM = Path(__file__).parents[1] / "experiments" / "benchmarks" / "training_throughput.py"
SIZES = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
CALM = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.mark.slow
def test_the_trainer_takes_our_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    described = importlib.util.spec_from_file_location("training_throughput", PROGRAM)
    assert described is not None
    assert described.loader is not None
    program = importlib.util.module_from_spec(described)
    monkeypatch.setitem(sys.modules, "training_throughput", program)
    described.loader.exec_module(program)
    torch.manual_seed(0)
    encoder = transformers.BertModel(transformers.BertConfig(**SIZES, **CALM))
    model = PairModel(encoder, HeadSettings(dropout=0.0))
    task = program.make_task(
        Namespace(pairs=32, held_out=4, batch=8, max_length=40, token_budget=200, precision="auto", data=None),
        model,
    )
    rival = program.train_rival(copy.deepcopy(model), task, bf16=False)
    ours = program.train_ours(copy.deepcopy(model), task)
    assert len(ours) == 4
    np.testing.assert_allclose(rival, ours, atol=2e-3)  # ours may be bf16
    assert program.measured(model, task, program.train_ours).padding == 0.0


@pytest.mark.slow
def test_the_laptop_benchmark_runs_each_of_its_steps(tmp_path: Path) -> None:
    out = tmp_path / "laptop.json"
    line = [sys.executable, PROGRAM.with_name("laptop.py"), "--tiny", "--out", out]
    printed = subprocess.run(line, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    figures = json.loads(out.read_text())
    assert figures.pop("rows") == 80
    assert {"read_csv", "load", "scikit-learn", "tfidf", "wordllama", "blend"} <= {*figures}
    assert all(row["seconds"] > 0 and row["megabytes"] > 30 for row in figures.values())
    assert all(0.3 < row["log_loss"] < 2.0 for row in figures.values() if "log_loss" in row)
    assert "| tfidf |" in printed


def test_the_laptop_table_says_what_misses_its_aim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    laptop = importlib.import_module("laptop")
    costs = {"read_csv": (1.0, 100.0), "load": (4.1, 100.0), "scikit-learn": (400.0, 9000.0), "tfidf": (350.0, 3000.0)}
    costs |= dict.fromkeys(("style", "style-boosting", "wordllama"), (400.0, 100.0)) | {"blend": (100.0, 4001.0)}
    steps = {
        name: {"seconds": seconds, "megabytes": megabytes, "processor": 1.0}
        for name, (seconds, megabytes) in costs.items()
    }

    def verdicts(steps: dict, rows: int) -> dict[str, str]:
        lines = [line.strip("| ").split("|") for line in laptop.table(steps, rows).splitlines()[2:]]
        return {cells[0].strip(): cells[-1].strip() for cells in lines if cells[-1].strip() in ("yes", "no")}

    full = {"load": "no", "tfidf": "yes", "blend": "no", "the members together": "no"}
    assert verdicts(steps, laptop.FULL_ROWS) == full
    assert verdicts(steps, 80) == {"load": "no", "tfidf": "yes"}  # ratios alone: fewer rows reach no time
    del steps["wordllama"]
    assert "the members together" not in verdicts(steps, laptop.FULL_ROWS)


def test_the_ratings_benchmark_recovers_what_it_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    rows = [*importlib.import_module("ratings").measure(20_000, 6, 1)]
    assert [(row["kind"], row["styled"]) for row in rows] == [
        ("bradley_terry", False), ("bradley_terry", True), ("davidson", False), ("davidson", True),
    ]  # fmt: skip
    assert all(row["seconds"] > 0 for row in rows)
    assert rows[-1]["points_off"] < 8  # a standard error is about 4 points
    assert rows[-1]["style_off"] < 0.08


WITHOUT = "hydra omegaconf mlflow pandas pyarrow orjson optuna rich datasets"  # a machine with a GPU may lack these
BLOCKED = """
import runpy, sys
sys.modules.update(dict.fromkeys({blocked!r}.split()))  # as if they were not installed
program, sys.argv = sys.argv[1], sys.argv[1:]
sys.path.insert(0, {folder!r})
runpy.run_path(program, run_name="__main__")
"""


@pytest.mark.slow
def test_the_gpu_benchmark_runs_each_of_its_steps_with_torch_and_transformers_alone(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    code = BLOCKED.format(blocked=WITHOUT, folder=str(PROGRAM.parent))
    line = [sys.executable, "-c", code, PROGRAM.with_name("gpu.py"), "--tiny", "--out", out]
    printed = subprocess.run(line, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    rows = json.loads(out.read_text())["rows"]
    assert [row["error"] for row in rows if "error" in row] == []
    assert all(row.get("not_run") or min(row.get("pairs_per_second") or row["milliseconds"]) > 0 for row in rows)
    ran = {row["step"] for row in rows if "not_run" not in row}
    assert {"train: Trainer", "train: prefens", "predict: prefens", "frozen: features"} <= ran
    assert all(row["largest_difference"] < 0.1 for row in rows if "milliseconds" in row)  # some are in bf16
    assert out.with_suffix(".md").read_text() == printed
    assert "| bert-base | packed, varlen kernel, dropout 0 | not run: it needs a GPU |" in printed
    assert {(row["model"], row["estimated_gib"] > 0) for row in rows if "estimated_gib" in row} == {
        ("qwen-0.5b", True), ("qwen-7b", True),
    }  # fmt: skip


@pytest.mark.slow
def test_a_step_of_the_gpu_benchmark_that_fails_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    gpu = importlib.import_module("gpu")

    def fail(error: BaseException) -> dict:
        raise error

    def wait() -> dict:
        for _ in range(100):
            with contextlib.suppress(Exception):  # as libraries do
                time.sleep(0.1)
        return {}

    def row(run, seconds: float = 60.0, left: float = 60.0) -> dict:
        step = gpu.Step("bert-base", "train: x", lambda repeats: run(), seconds)
        return gpu.run_step(step, time.monotonic() + left, 1)

    assert row(lambda: fail(RuntimeError("no memory\nmore")))["error"] == "RuntimeError: no memory"
    assert row(lambda: fail(gpu.gpu_steps.NotRun("no kernel")))["not_run"] == "no kernel"
    assert row(wait, left=1.0)["not_run"] == "no time was left"
    monkeypatch.setattr(gpu, "LEAST_SECONDS", 0.0)
    assert row(wait, seconds=0.3)["error"].startswith("it took more than")
    assert row(lambda: {"pairs_per_second": [1.0]})["pairs_per_second"] == [1.0]
