"""Weights in fewer bits and fewer layers: what is computed from them, what is trained beside them, what is refused."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from prefens.core.errors import BackboneError, ConfigError
from prefens.core.types import SWAP
from prefens.data.text.settings import TextSettings
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.members.nn import weight_format
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.lora import LoraSettings
from prefens.members.nn.pairing import Pairing, PairingSettings
from prefens.members.nn.pretrained import load_encoder
from prefens.members.nn.trainable_state import trainable_state_dict, unfrozen_state_dict
from prefens.members.nn.weight_format import Quantization, WeightFormat, WeightType, held_weights, limit_layers
from prefens.members.training.precision import Precision
from prefens.members.training.settings import Mode, OptimizerKind, Save, TrainingSettings
from tests.helpers.decoders import FAMILIES, make_tiny_decoder
from tests.helpers.examples import make_pairs, make_tiny_encoder

HALF = (WeightType.bf16, WeightType.fp16)
TRAINING = TrainingSettings(
    Mode.lora, lr=1e-2, head_lr=1e-2, epochs=1, batch_pairs=8, save=Save.fp32, precision=Precision.fp32,
    lora=LoraSettings(rank=2),
)  # fmt: skip
TRAIN, FRESH = make_pairs(16), make_pairs(6, seed=1)


@pytest.fixture(scope="module", params=["bert", "deberta-v2", "modernbert", *FAMILIES])
def directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make = make_tiny_decoder if request.param in FAMILIES else make_tiny_encoder
    return make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_decoder("qwen2", tmp_path_factory.mktemp("qwen"))


def states(encoder: Any, **changed: Any) -> torch.Tensor:
    ids = torch.arange(3, 43).view(2, 20)
    last: torch.Tensor = encoder.eval()(input_ids=ids, attention_mask=torch.ones_like(ids), **changed).last_hidden_state
    return last


@pytest.mark.parametrize("dtype", HALF)
def test_states_are_those_of_the_rounded_weights_in_fp32(directory: Path, dtype: WeightType) -> None:
    held, rounded = load_encoder(directory, WeightFormat(dtype)), load_encoder(directory)
    with torch.no_grad():
        for weight in rounded.parameters():
            weight.copy_(weight.to(dtype.torch_dtype))
        found, expected = states(held), states(rounded)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=1e-4)
    names = held_weights(held)
    assert names
    for name, weight in held.named_parameters():
        assert weight.dtype is (dtype.torch_dtype if name in names else torch.float32), name


def test_gradients_pass_weights_that_are_held_and_keep_no_copy(qwen: Path) -> None:
    held, plain = load_encoder(qwen, WeightFormat(WeightType.bf16)), load_encoder(qwen)
    with torch.no_grad():
        for weight in plain.parameters():
            weight.copy_(weight.to(torch.bfloat16))
    kept: set[tuple[int, ...]] = set()

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype is torch.float32:
            kept.add(tuple(tensor.shape))
        return tensor

    gradients = []
    for encoder in (held, plain):
        weight = encoder.layers[0].input_layernorm.weight
        with torch.autograd.graph.saved_tensors_hooks(
            pack if encoder is held else lambda each: each, lambda each: each
        ):
            loss = states(encoder).square().sum()
        gradients.append(torch.autograd.grad(loss, weight)[0])
    torch.testing.assert_close(*gradients, atol=1e-3, rtol=1e-4)
    assert not {tuple(part.weight.shape) for part in held.modules() if isinstance(part, nn.Linear)} & kept


def test_the_lowest_layers_are_what_the_whole_model_computes_first(directory: Path) -> None:
    whole, cut = load_encoder(directory), load_encoder(directory, WeightFormat(layers=1))
    assert sum(weight.numel() for weight in cut.parameters()) < sum(weight.numel() for weight in whole.parameters())
    with torch.no_grad():
        lowest = states_after_first_layer(whole)
        norm = getattr(cut, "norm", None) or getattr(cut, "final_norm", None) or nn.Identity()
        torch.testing.assert_close(states(cut), norm(lowest), atol=1e-5, rtol=1e-5)


def states_after_first_layer(encoder: Any) -> torch.Tensor:
    layers = next(part for part in encoder.modules() if isinstance(part, nn.ModuleList) and len(part) == 2)
    found: list[torch.Tensor] = []
    handle = layers[0].register_forward_hook(
        lambda _, inputs, output: found.append(output[0] if isinstance(output, tuple) else output)
    )
    states(encoder)
    handle.remove()
    return found[0]


@pytest.mark.parametrize("layers", [0, 3])
def test_layers_that_there_are_not_are_refused(qwen: Path, layers: int) -> None:
    with pytest.raises(ConfigError, match=rf"backbone\.layers={layers}"):
        member_of(qwen, layers=layers).resolve()


def member_of(path: Path, training: TrainingSettings = TRAINING, **given: Any) -> EncoderMember:
    head = HeadSettings(HeadKind.mlp, hidden=8)
    return EncoderMember(
        "hub/tiny", TextSettings(max_length=96), PairingSettings(Pairing.cross), head, training, path=str(path), **given
    )


@pytest.mark.parametrize(
    ("mode", "given"),
    [
        (Mode.lora, {"dtype": WeightType.bf16}),
        (Mode.lora, {"dtype": WeightType.fp16, "layers": 1}),
        (Mode.frozen, {"dtype": WeightType.bf16, "layers": 1}),
        (Mode.full, {"layers": 1}),
    ],
    ids=str,
)
def test_members_train_beside_held_weights_swap_and_come_back(
    qwen: Path, tmp_path: Path, mode: Mode, given: dict[str, Any]
) -> None:
    member = member_of(qwen, replace(TRAINING, mode=mode), **given)
    member.fit(TRAIN, None, Context(seed=5, inner=np.zeros(len(TRAIN), dtype=np.int8)))
    assert member.model is not None
    trained = {weight.dtype for weight in member.model.parameters() if weight.requires_grad}
    assert trained == {torch.float32}
    predicted = member.predict_proba(FRESH)
    np.testing.assert_allclose(predicted, member.predict_proba(FRESH.swapped())[:, SWAP], atol=1e-6)
    assert np.ptp(predicted, axis=0).max() > 1e-4
    member.save(tmp_path)
    # Adapters are not merged into rounded weights, which would move probabilities by much more.
    np.testing.assert_allclose(EncoderMember.load(tmp_path).predict_proba(FRESH), predicted, atol=1e-6)


@pytest.mark.parametrize("family", ["qwen2", "gemma2"])
def test_recomputed_activations_change_no_result_on_packed_sequences(tmp_path: Path, family: str) -> None:
    directory, predicted = make_tiny_decoder(family, tmp_path), []
    for recompute in (False, True):
        member = member_of(directory, replace(TRAINING, gradient_checkpointing=recompute), dtype=WeightType.bf16)
        member.fit(TRAIN, None, Context(seed=5, inner=np.zeros(len(TRAIN), dtype=np.int8)))
        predicted.append(member.predict_proba(FRESH))
    np.testing.assert_allclose(*predicted, atol=1e-6)


def test_what_a_checkpoint_keeps_is_what_is_trained_and_no_scale_of_quantized_weights() -> None:
    """A layer of bitsandbytes adds its scales to the state, beside its weights."""

    class Quantized(nn.Linear):
        def state_dict(self, *arguments: Any, **named: Any) -> Any:  # as bitsandbytes' Linear4bit has it
            state = super().state_dict(*arguments, **named)
            prefix = named.get("prefix", "")
            state[f"{prefix}weight.absmax"] = state[f"{prefix}weight.quant_state.bitsandbytes__nf4"] = torch.ones(1)
            return state

    model = nn.ModuleDict({"encoder": Quantized(2, 2), "head": nn.Linear(2, 1)})
    model["encoder"].requires_grad_(False)
    assert {*unfrozen_state_dict(model)} == {"head.weight", "head.bias"}
    assert {*trainable_state_dict(model)} == {"head.weight", "head.bias"}


def test_features_of_other_weights_are_other_files(qwen: Path, tmp_path: Path) -> None:
    training, pairs = replace(TRAINING, mode=Mode.frozen), make_pairs(16)  # no others, whose features are in memory
    for count, given in enumerate(({}, {"dtype": WeightType.bf16}, {"layers": 1}, {}), 1):
        member = member_of(qwen, training, **given)  # type: ignore[arg-type]
        member.fit(pairs, None, Context(seed=5, inner=np.zeros(len(pairs), dtype=np.int8), cache=tmp_path))
        assert len([*tmp_path.rglob("encoder_features/*.npy")]) == min(count, 3)


@pytest.mark.parametrize(
    ("given", "training", "message"),
    [
        ({"dtype": WeightType.bf16}, replace(TRAINING, mode=Mode.full), "training=full"),
        ({"quant": Quantization.nf4}, replace(TRAINING, mode=Mode.full), "training=full"),
        ({"quant": Quantization.nf4}, TRAINING, r"backbone\.quant=nf4, and the package bitsandbytes"),
        ({}, replace(TRAINING, optimizer=OptimizerKind.adamw_8bit), r"training\.optimizer=adamw_8bit, and the package"),
    ],
)
def test_what_can_not_be_trained_is_refused_before_anything_is_loaded(
    given: dict[str, Any], training: TrainingSettings, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setattr(weight_format, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=message):
        member_of(Path("nowhere"), training, **given).resolve()


def test_without_cuda_quantization_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_format, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="without CUDA") as caught:
        member_of(Path("nowhere"), quant=Quantization.nf4).resolve()
    assert "backbone.dtype=bf16" in caught.value.do


def test_gemma_3_is_refused_in_fp16_and_weights_beyond_fp16_are_found(qwen: Path, tmp_path: Path) -> None:
    gemma = make_tiny_decoder("gemma3", tmp_path / "gemma")
    with pytest.raises(ConfigError, match=r"backbone\.dtype=fp16 .*Gemma-3"):
        member_of(gemma, dtype=WeightType.fp16).resolve()
    encoder = load_encoder(qwen)
    with torch.no_grad():
        encoder.layers[0].mlp.up_proj.weight[0, 0] = 1e6
    encoder.save_pretrained(tmp_path / "large")
    with pytest.raises(BackboneError, match=r"up_proj\.weight has weights beyond 65504"):
        load_encoder(tmp_path / "large", WeightFormat(WeightType.fp16))


def test_a_limit_keeps_the_kinds_of_the_layers_that_are_read(tmp_path: Path) -> None:
    from prefens.members.nn.pretrained import read_config

    config = limit_layers(read_config(make_tiny_decoder("gemma2", tmp_path)), 1)
    assert (config.num_hidden_layers, config.layer_types) == (1, ["sliding_attention"])
