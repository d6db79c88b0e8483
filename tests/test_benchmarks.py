"""The training benchmark is fair: its rivals take our optimizer steps."""

import copy
import importlib.util
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
