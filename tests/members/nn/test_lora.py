"""Adapters: the backbone never changes, little is stored, and what is loaded predicts what was trained."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from prefens.core.errors import BackboneError, ConfigError
from prefens.data.text.settings import TextSettings
from prefens.members import network
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.members.nn.heads import HeadSettings
from prefens.members.nn.lora import LoraSettings, adapted_layers, add_adapters
from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.pretrained import load_encoder
from prefens.members.textcnn import TextCnnMember
from prefens.members.training.optimizer import make_optimizer
from prefens.members.training.precision import Precision
from prefens.members.training.settings import Mode, Save, TrainingSettings
from tests.helpers.examples import make_pairs

SMALL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 50,
    "max_position_embeddings": 64,
}  # fmt: skip
CONTEXT = Context(seed=7, inner=np.zeros(40, dtype=np.int8))


def member_on(path: Path, save: Save = Save.fp32, mode: Mode = Mode.lora, **lora: object) -> EncoderMember:
    training = TrainingSettings(
        precision=Precision.fp32,  # merged weights round otherwise in bf16
        mode=mode, lr=1e-2, head_lr=1e-2, epochs=1, batch_pairs=8, save=save, lora=LoraSettings(**lora)  # type: ignore[arg-type]
    )  # fmt: skip
    head = HeadSettings(hidden=8)
    return EncoderMember("hub/tiny", path=str(path), text=TextSettings(max_length=64), head=head, training=training)


@pytest.mark.parametrize("save", [Save.fp32, Save.fp16])
def test_what_is_loaded_predicts_what_was_trained(tiny_encoder: Path, tmp_path: Path, save: Save) -> None:
    pairs, member = make_pairs(40), member_on(tiny_encoder, save)
    report = member.fit(pairs, None, CONTEXT)
    assert report.metrics["trained_parameters"] < report.metrics["parameters"]  # type: ignore[operator]
    member.save(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"settings.json", "backbone.json", "model.safetensors"}
    assert all(".lora_" in name or name.startswith("head.") for name in load_file(tmp_path / "model.safetensors"))
    again = EncoderMember.load(tmp_path)
    difference = np.abs(again.predict_proba(pairs) - member.predict_proba(pairs)).max()
    assert difference < (1e-6 if save is Save.fp32 else 1e-3)


def test_merged_adapters_predict_what_they_do_beside_the_encoder_which_stays_as_it_is(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs, member = make_pairs(40), member_on(tiny_bert)
    member.fit(pairs, None, CONTEXT)
    member.save(tmp_path)
    beside = EncoderMember.load(tmp_path)
    expected = beside.predict_proba(pairs)
    monkeypatch.setattr(network, "takes_kernels", lambda *_: True)
    merged = EncoderMember.load(tmp_path)
    assert merged.model is not None
    assert merged.model.adapters is None
    np.testing.assert_allclose(merged.predict_proba(pairs), expected, atol=1e-6)
    np.testing.assert_array_equal(beside.predict_proba(pairs), expected)


def test_only_adapters_and_head_change(tiny_encoder: Path) -> None:
    member = member_on(tiny_encoder)
    member.fit(make_pairs(40), None, CONTEXT)
    assert member.model is not None
    after = {name.replace(".base_layer", ""): each for name, each in member.model.encoder.state_dict().items()}
    for name, tensor in load_encoder(tiny_encoder).state_dict().items():
        assert torch.equal(after[name], tensor)
    high = [each for name, each in after.items() if ".lora_B." in name]
    assert high
    assert all(each.abs().max() > 0 for each in high)  # B starts at zero


@pytest.mark.parametrize("family", ["Bert", "Roberta", "XLMRoberta", "DebertaV2", "Electra", "MPNet", "ModernBert"])
def test_every_family_has_attention_to_adapt(family: str) -> None:
    special = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1)
    config = getattr(transformers, f"{family}Config")(**SMALL, **(special if family == "ModernBert" else {}))
    encoder = getattr(transformers, f"{family}Model")(config)
    attention, linear = adapted_layers(encoder, None), adapted_layers(encoder, ["all-linear"])
    assert {name.split(".")[-1] for name in attention} in (
        {"query", "key", "value", "dense"}, {"query_proj", "key_proj", "value_proj", "dense"}, {"q", "k", "v", "o"},
        {"Wqkv", "Wo"},
    )  # fmt: skip
    assert set(attention) < set(linear)
    assert not any("pooler" in name for name in linear)
    assert adapted_layers(encoder, [attention[0].split(".")[-1]])[0] == attention[0]
    add_adapters(encoder, LoraSettings(rank=2))
    trained = [name for name, weight in encoder.named_parameters() if weight.requires_grad]
    assert len(trained) == 2 * len(attention)


def test_a_backbone_that_changed_or_is_gone_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    base, store, pairs = tmp_path / "base", tmp_path / "store", make_pairs(20)
    shutil.copytree(tiny_bert, base)
    store.mkdir()
    member = member_on(base)
    member.fit(make_pairs(40), None, CONTEXT)
    member.save(store)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-3}))
    with pytest.raises(BackboneError, match="has changed"):
        EncoderMember.load(store)
    shutil.rmtree(base)
    with pytest.raises(BackboneError, match="is not at") as caught:
        EncoderMember.load(store, [tmp_path / "backbones"])
    place = Path(caught.value.do.rsplit(" ", 1)[-1])
    shutil.copytree(tiny_bert, place)  # what the message says
    again = EncoderMember.load(store, [tmp_path / "backbones"])
    np.testing.assert_allclose(again.predict_proba(pairs), member.predict_proba(pairs), atol=1e-6)
    assert EncoderMember.required_backbones(store, [tmp_path / "backbones"]) == {place.name: place}


def test_the_second_matrix_learns_faster_by_the_ratio(tiny_encoder: Path) -> None:
    """LoRA+: A at lr, B at plus_ratio times that, the head at its own rate."""
    settings = LoraSettings(rank=2, plus_ratio=8.0)
    model = PairModel(load_encoder(tiny_encoder), HeadSettings(hidden=8))
    add_adapters(model.encoder, settings)
    optimizer = make_optimizer(model, TrainingSettings(Mode.lora, lr=1.0, head_lr=3.0, lora=settings))
    names = {id(weight): name for name, weight in model.named_parameters()}
    rates = {names[id(weight)]: group["lr"] for group in optimizer.param_groups for weight in group["params"]}
    assert {rate for name, rate in rates.items() if ".lora_A." in name} == {1.0}
    assert {rate for name, rate in rates.items() if ".lora_B." in name} == {8.0}
    assert {rate for name, rate in rates.items() if name.startswith("head.")} == {3.0}


@pytest.mark.parametrize("bad", [{"rank": 0}, {"alpha": 0}, {"dropout": 1.0}, {"plus_ratio": 0.5}])
def test_bad_settings(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"training\.lora"):
        LoraSettings(**bad)  # type: ignore[arg-type]


def test_targets_that_match_no_layer_are_refused(tiny_bert: Path) -> None:
    with pytest.raises(BackboneError, match="nowhere"):
        member_on(tiny_bert, targets=["nowhere"]).fit(make_pairs(40), None, CONTEXT)


def test_without_peft_the_error_says_what_to_install(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"prefens\[lora\]"):
        member_on(tiny_bert).fit(make_pairs(40), None, CONTEXT)


@pytest.mark.parametrize("mode", [Mode.lora, Mode.frozen])
def test_a_network_from_scratch_has_nothing_to_freeze(mode: Mode) -> None:
    member = TextCnnMember("textcnn", training=TrainingSettings(mode=mode))
    with pytest.raises(ConfigError, match="from scratch"):
        member.fit(make_pairs(40), None, CONTEXT)
