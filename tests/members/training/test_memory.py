"""The estimate of memory: what is counted is exact, what is estimated is near what a forward pass keeps."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from prefens.members.nn.lora import LoraSettings, add_adapters
from prefens.members.nn.pretrained import load_encoder
from prefens.members.nn.weight_format import FP32, Quantization, WeightFormat, WeightType
from prefens.members.training import memory
from prefens.members.training.memory import estimate_memory, log_memory
from prefens.members.training.settings import Mode, OptimizerKind, TrainingSettings
from tests.helpers.decoders import FAMILIES as DECODERS
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import FAMILIES, make_tiny_encoder

LENGTH = 64


@pytest.fixture(scope="module", params=[*FAMILIES, *DECODERS])
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make = make_tiny_decoder if request.param in DECODERS else make_tiny_encoder
    return make(request.param, tmp_path_factory.mktemp(request.param))


def kept_bytes(model: Any) -> int:
    """Return the bytes that a forward pass of LENGTH tokens keeps for the gradients, beside the weights."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.full((1, LENGTH), 7)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    assert output.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("mode", [Mode.full, Mode.lora])
def test_the_estimate_is_near_what_a_training_takes(directory: Path, mode: Mode) -> None:
    lora = LoraSettings(rank=2, targets=["all-linear"])
    # The largest of the budget and of a pair's two sequences is read at once.
    settings = TrainingSettings(mode=mode, lora=lora, token_budget=2 * LENGTH)
    estimate, model = estimate_memory(directory, settings, FP32, LENGTH), load_encoder(directory).train()
    if mode is Mode.lora:
        add_adapters(model, lora)
    weights = list(model.parameters())
    trained = sum(weight.numel() for weight in weights if weight.requires_grad)
    assert estimate.weights == 4 * sum(weight.numel() for weight in weights)
    assert estimate.optimizer == 12 * trained
    assert 0.4 < estimate.activations / (2 * kept_bytes(model)) < 2.5


def test_checkpointing_and_a_frozen_encoder_take_less(tmp_path: Path) -> None:
    directory = make_tiny_decoder("qwen2", tmp_path, num_hidden_layers=12, layer_types=["full_attention"] * 12)
    full = TrainingSettings(token_budget=4096)
    activations = [
        estimate_memory(directory, settings, FP32, 512).activations
        for settings in (full, replace(full, gradient_checkpointing=True), replace(full, mode=Mode.frozen))
    ]
    assert activations == sorted(activations, reverse=True)
    assert len(set(activations)) == 3
    assert estimate_memory(directory, replace(full, mode=Mode.frozen), FP32, 512).optimizer == 0
    assert estimate_memory(directory, replace(full, ema=0.9), FP32, 512).optimizer == pytest.approx(
        4 / 3 * estimate_memory(directory, full, FP32, 512).optimizer
    )


def test_what_does_not_fit_is_said_with_what_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    directory, settings = make_tiny_decoder("llama", tmp_path / "tiny"), TrainingSettings(token_budget=100_000)
    cpu = torch.device("cpu")
    with caplog.at_level(logging.INFO):
        log_memory(directory, settings, FP32, 128, cpu)
        log_memory(directory, settings, FP32, 128, cpu)
    assert caplog.text.count("tiny: loading and training take about") == 1
    assert "more than" not in caplog.text
    whole = estimate_memory(directory, settings, FP32, 128)
    left = whole.weights + whole.optimizer + whole.activations / 2
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: type("Memory", (), {"available": left}))
    log_memory(directory, settings, FP32, 128, cpu)
    assert "set training.token_budget=49920 or training.gradient_checkpointing=true" in caplog.text


@pytest.mark.parametrize("dtype", WeightType)
def test_fewer_bits_and_fewer_layers_are_counted_as_they_are_held(directory: Path, dtype: WeightType) -> None:
    settings, form = TrainingSettings(mode=Mode.frozen), WeightFormat(dtype, layers=1)
    encoder = load_encoder(directory, form)
    held = sum(weight.numel() * weight.element_size() for weight in encoder.parameters())
    assert estimate_memory(directory, settings, form, LENGTH).weights == held


def test_what_quantization_and_an_optimizer_in_8_bits_save_is_known(tmp_path: Path) -> None:
    directory = make_tiny_decoder("gemma2", tmp_path)
    lora = TrainingSettings(mode=Mode.lora, lora=LoraSettings(targets=["all-linear"]), token_budget=1000)
    plain = estimate_memory(directory, lora, WeightFormat(WeightType.bf16), 128)
    small = estimate_memory(directory, lora, WeightFormat(WeightType.bf16, Quantization.nf4), 128)
    model = load_encoder(directory)
    linear = sum(part.weight.numel() for part in model.modules() if isinstance(part, torch.nn.Linear))
    assert plain.weights - small.weights == pytest.approx((2 - 4.127 / 8) * linear)
    eight = estimate_memory(directory, replace(lora, optimizer=OptimizerKind.adamw_8bit), FP32, 128)
    assert eight.optimizer == pytest.approx(plain.optimizer / 2)  # a gradient in 32 bits, and moments in 8 for 32
