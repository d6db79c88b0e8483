"""DeBERTa's kernels: where they are used, where they are refused, and, on a GPU, that they compute the same."""

import logging
from typing import Any

import pytest
import torch

from prefens.core.errors import BackboneError
from prefens.members.nn import deberta_kernels
from prefens.members.nn.encoder_forward import forward_states
from prefens.members.nn.packed_attention import Segments
from tests.helpers.encoders import batch_of, gradients, tiny

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_a_cpu_and_other_families_stay_as_they_are() -> None:
    for encoder, device in ((tiny("deberta-v2"), CPU), (tiny("bert"), GPU)):
        before = type(encoder.encoder)
        assert not deberta_kernels.install(encoder, device)
        assert type(encoder.encoder) is before


def logged_reason(caplog: pytest.LogCaptureFixture, encoder: Any) -> str:
    caplog.clear()
    deberta_kernels.log_fallback.cache_clear()
    with caplog.at_level(logging.INFO):
        assert not deberta_kernels.install(encoder, GPU)
    return caplog.text


def test_why_the_kernels_do_not_run_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = tiny("deberta-v2")
    monkeypatch.setattr(deberta_kernels, "find_spec", lambda name: None)
    assert "pip install 'prefens[gpu]'" in logged_reason(caplog, encoder)
    monkeypatch.setattr(deberta_kernels, "find_spec", lambda name: name)
    encoder.pooler = torch.nn.Linear(1, 1, dtype=torch.bfloat16)
    assert "weights in fp32" in logged_reason(caplog, encoder)
    del encoder.pooler
    assert "not 8" in logged_reason(caplog, encoder)
    encoder.peft_config = {}
    assert "adapters" in logged_reason(caplog, encoder)


def test_the_kernels_refuse_adapters() -> None:
    encoder = tiny("deberta-v2")
    encoder.peft_config = {}
    with pytest.raises(BackboneError, match="ignore adapters"):
        deberta_kernels.packed_states(encoder, {}, Segments((1,), torch.tensor([0, 1])))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_kernels_compute_what_the_eager_attention_does() -> None:
    pytest.importorskip("disentangled_flash")
    calm = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    encoder = tiny("deberta-v2", hidden_size=64, **calm).to(GPU).train()
    batch = {name: tensor.to(GPU) for name, tensor in batch_of([5, 12, 12, 3, 30, 20, 1]).items()}
    expected = forward_states(encoder, batch, False)
    slopes = dict(zip((name for name, _ in encoder.named_parameters()), gradients(encoder, expected), strict=True))
    assert deberta_kernels.install(encoder, GPU)
    states = forward_states(encoder, batch, False)
    torch.testing.assert_close(states, expected, atol=1e-4, rtol=1e-4)
    names = [name for name, _ in encoder.named_parameters()]
    for name, slope in zip(names, gradients(encoder, states), strict=True):
        torch.testing.assert_close(slope, slopes[name], atol=1e-3, rtol=1e-3)
