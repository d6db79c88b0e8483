"""Precision: what auto comes to, and that bf16 costs rounding and no symmetry."""

from pathlib import Path

import numpy as np
import pytest
import torch

from prefens.core.errors import ConfigError, TrainingError
from prefens.core.types import SWAP, Pairs
from prefens.data.text.settings import TextSettings
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.members.nn.heads import HeadSettings
from prefens.members.training import precision
from prefens.members.training.precision import Precision, compute_dtype
from prefens.members.training.settings import TrainingSettings
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import make_pairs

CPU = torch.device("cpu")


def test_auto_asks_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for able, wanted in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(precision, "has_bf16", lambda device, able=able: able)
        assert compute_dtype(Precision.auto, CPU) is wanted
    assert compute_dtype(Precision.fp32, CPU) is torch.float32
    assert compute_dtype(Precision.bf16, CPU) is torch.bfloat16
    assert compute_dtype(Precision.fp16, CPU) is torch.float16


def test_a_cpu_that_tells_nothing_computes_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not precision.has_bf16(CPU)


def fitted(path: Path, chosen: Precision) -> EncoderMember:
    training = TrainingSettings(lr=1e-3, head_lr=0.03, epochs=2, batch_pairs=16, precision=chosen)
    member = EncoderMember(
        "x", path=str(path), text=TextSettings(max_length=64), head=HeadSettings(hidden=8), training=training
    )
    report = member.fit(make_pairs(48), None, Context(seed=1, inner=np.zeros(48, dtype=np.int8)))
    assert report.metrics["precision"] == chosen.name
    return member


def swapped(pairs: Pairs) -> Pairs:
    return Pairs(pairs.ids, pairs.prompt, pairs.response_b, pairs.response_a)


def test_bf16_costs_rounding_and_no_symmetry(tiny_encoder: Path, tmp_path: Path) -> None:
    path, pairs = tiny_encoder, make_pairs(30, seed=3)
    exact, rounded = (fitted(path, chosen).predict_proba(pairs) for chosen in (Precision.fp32, Precision.bf16))
    assert 0 < np.abs(exact - rounded).max() < 0.01
    assert np.ptp(rounded[:, 0]) > 0.03  # the head has left the class prior, to which nothing below would matter
    member = fitted(path, Precision.bf16)
    np.testing.assert_array_equal(member.predict_proba(pairs), rounded)  # the same bits on the same machine
    np.testing.assert_allclose(member.predict_proba(swapped(pairs)), rounded[:, SWAP], atol=1e-6)
    member.save(tmp_path)
    again = EncoderMember.load(tmp_path)
    np.testing.assert_allclose(again.predict_proba(pairs), rounded, atol=0.01)


def test_fp16_predicts_by_rounding_and_trains_in_fp32(tiny_bert: Path) -> None:
    exact, half = (fitted(tiny_bert, chosen) for chosen in (Precision.fp32, Precision.fp16))
    assert exact.model is not None
    assert half.model is not None
    for weight, same in zip(exact.model.parameters(), half.model.parameters(), strict=True):
        assert torch.equal(weight, same)
    pairs = make_pairs(30, seed=3)
    assert 0 < np.abs(exact.predict_proba(pairs) - half.predict_proba(pairs)).max() < 0.01


def test_what_overflows_fp16_is_an_error(tiny_bert: Path) -> None:
    member = fitted(tiny_bert, Precision.fp16)
    assert member.model is not None
    with torch.no_grad():
        for name, weight in member.model.encoder.named_parameters():
            weight.mul_(1e6 if name.endswith("intermediate.dense.weight") else 1.0)
    with pytest.raises(TrainingError, match=r"not finite"):
        member.predict_proba(make_pairs(4))


def test_fp16_is_refused_for_gemma_3_before_anything_is_trained(tmp_path: Path) -> None:
    directory, training = make_tiny_decoder("gemma3", tmp_path), TrainingSettings(precision=Precision.fp16)
    with pytest.raises(ConfigError, match="Gemma-3"):
        EncoderMember("google/gemma-3-1b-it", path=str(directory), training=training).resolve()
