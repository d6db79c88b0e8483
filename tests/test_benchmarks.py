"""The benchmark programs: the rivals of training take our optimizer steps, and what runs for hours runs when tiny."""

import copy
import importlib.util
import json
import subprocess
import sys
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
        Namespace(pairs=32, held_out=4, batch=8, max_length=40, token_budget=200, data=None), model
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
