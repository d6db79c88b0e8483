"""Causal models as backbones: every architecture, pairing and head, and what is known to trip them.

Every law is kept by each architecture. PREFENS_TEST_MODELS=DIR runs the same on the real weights in DIR/smollm2-6l and
others, where they are.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from prefens.core.errors import ConfigError
from prefens.core.types import SWAP, Floats
from prefens.data.text.settings import PLAIN, TemplateSettings, TextSettings
from prefens.data.text.tokens import tokenize_pairs
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.members.nn.encoder_forward import forward_states
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.lora import LoraSettings
from prefens.members.nn.packed_attention import ATTENTION_NAME
from prefens.members.nn.pair_model import pad
from prefens.members.nn.pairing import Pairing, PairingSettings
from prefens.members.nn.pooling import Pooling, pool
from prefens.members.nn.pretrained import load_encoder, load_tokenizer, read_config
from prefens.members.nn.weight_format import WeightType
from prefens.members.training.precision import Precision
from prefens.members.training.settings import LOOSE_CLIP, Mode, Save, TrainingSettings
from tests.helpers.decoders import FAMILIES, make_tiny_decoder
from tests.helpers.examples import make_pairs

CHAT = TemplateSettings("{prompt}{response}", "{prompt}\nA: {first}\nB: {second}\nWhich?", chat=True)
REAL = ("smollm2-6l", "smollm2-135m", "gemma3-270m")
TRAIN, FRESH = make_pairs(16), make_pairs(6, seed=1)
QUICK = TrainingSettings(
    lr=1e-3, head_lr=1e-2, epochs=1, batch_pairs=8, token_budget=1000, save=Save.fp32, precision=Precision.fp32,
    lora=LoraSettings(rank=2),
)  # fmt: skip


@pytest.fixture(scope="session")
def decoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: make_tiny_decoder(family, tmp_path_factory.mktemp(family)) for family in FAMILIES}


@pytest.fixture(scope="session", params=[*FAMILIES, *REAL])
def decoder(request: pytest.FixtureRequest, decoders: dict[str, Path]) -> Path:
    """A causal model of each architecture, and real ones where PREFENS_TEST_MODELS has them."""
    return directory_of(request.param, decoders)


def directory_of(name: str, decoders: dict[str, Path]) -> Path:
    if name in FAMILIES:
        return decoders[name]
    folder = os.environ.get("PREFENS_TEST_MODELS")
    if folder is None or not (Path(folder) / name).is_dir():
        pytest.skip(f"PREFENS_TEST_MODELS={folder} has no {name}")
    return Path(folder) / name


@pytest.fixture(scope="session")
def adapted(decoder: Path) -> Any:
    """A member with adapters on each of them, without the dropout of training."""
    member = fit(member_of(decoder, mode=Mode.lora))
    member.model.eval()
    return member


def member_of(path: Path, kind: HeadKind = HeadKind.mlp, pairing: Pairing = Pairing.cross, **given: Any) -> Any:
    head = HeadSettings(
        kind, hidden=given.pop("hidden", 8), filters=4, widths=[1, 3], pooling=given.pop("pooling", None)
    )
    text = given.pop("text", TextSettings(max_length=128))
    training = replace(QUICK, **given)
    return EncoderMember("hub/tiny", text, PairingSettings(pairing), head, training, path=str(path))


def fit(member: EncoderMember) -> EncoderMember:
    member.fit(TRAIN, None, Context(seed=5, inner=np.zeros(len(TRAIN), dtype=np.int8)))
    return member


def assert_symmetric(member: EncoderMember) -> Floats:
    predicted = member.predict_proba(FRESH)
    np.testing.assert_allclose(predicted, member.predict_proba(FRESH.swapped())[:, SWAP], atol=1e-6)
    assert np.ptp(predicted, axis=0).max() > 1e-4
    return predicted


@pytest.mark.parametrize("mode", Mode)
def test_causal_models_train_swap_and_come_back(decoder: Path, tmp_path: Path, mode: Mode) -> None:
    member = fit(member_of(decoder, mode=mode))
    predicted = assert_symmetric(member)
    alone = np.concatenate([member.predict_proba(FRESH.take(np.array([row]))) for row in range(len(FRESH))])
    np.testing.assert_allclose(alone, predicted, atol=5e-6)  # a batch is its single rows
    member.save(tmp_path)
    files = {path.name for path in tmp_path.iterdir()}
    assert ("backbone.json" in files) == (mode is not Mode.full)
    np.testing.assert_allclose(EncoderMember.load(tmp_path).predict_proba(FRESH), predicted, atol=1e-6)


@pytest.mark.parametrize(
    ("pairing", "kind", "hidden"), [*product(Pairing, HeadKind, (8,)), (Pairing.siamese, HeadKind.davidson, 0)]
)
def test_every_pairing_and_head_is_symmetric(decoder: Path, pairing: Pairing, kind: HeadKind, hidden: int) -> None:
    rate = 3e-3 if decoder.name in REAL else 3e-2
    member = fit(member_of(decoder, kind, pairing, mode=Mode.frozen, hidden=hidden, head_lr=rate, epochs=8))
    assert_symmetric(member)


def test_one_order_by_content_is_symmetric_too(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A causal model never reads the first response in the light of the second, so that the orders differ."""

    def predicted(below: float) -> Floats:
        monkeypatch.setattr(adapted.model, "second_order_below", below)
        return assert_symmetric(adapted)

    one, both = predicted(0.0), predicted(1.0)
    assert np.abs(one - both).max() > 1e-4
    margin = np.abs(one[:, 0] - one[:, 1])
    is_open = margin < np.median(margin)
    np.testing.assert_allclose(predicted(float(np.median(margin))), np.where(is_open[:, None], both, one), atol=1e-6)


def test_null_settings_resolve_by_the_kind_of_backbone(decoders: dict[str, Path], tiny_bert: Path) -> None:
    causal, encoder = member_of(decoders["llama"]), member_of(tiny_bert)
    for member in (causal, encoder):
        member.resolve()
    assert (causal.head.pooling, encoder.head.pooling) == (Pooling.last, Pooling.mean)
    assert (causal.training.clip, encoder.training.clip) == (LOOSE_CLIP, 1.0)
    assert (causal.training.lora.targets, encoder.training.lora.targets) == (["all-linear"], None)
    assert (causal.text.template, encoder.text.template.is_default) == (PLAIN, True)
    assert (causal.text.prompt_share, encoder.text.prompt_share) == (0.2, 0.35)
    explicit = member_of(decoders["llama"], pooling=Pooling.mean, clip=2.0, lora=LoraSettings(targets=["q_proj"]))
    explicit.resolve()
    assert (explicit.head.pooling, explicit.training.clip, explicit.training.lora.targets) == (
        Pooling.mean,
        2.0,
        ["q_proj"],
    )


def test_the_first_token_of_a_causal_model_is_no_pooling(decoders: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"head\.pooling=cls with a causal model"):
        member_of(decoders["llama"], pooling=Pooling.cls).resolve()


def padded_states(encoder: Any, tokens: list[Any], padding: int, left: bool) -> list[torch.Tensor]:
    """Return the states of each sequence of a batch that is padded on a side."""
    batch = pad([(row, 0) for row in tokens], padding)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    if left:
        shifts = [ids.shape[1] - len(row) for row in tokens]
        ids, mask = (torch.stack([row.roll(by) for row, by in zip(part, shifts, strict=True)]) for part in (ids, mask))
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    with torch.no_grad():
        states = encoder(input_ids=ids, attention_mask=mask, position_ids=positions).last_hidden_state
    return [row[real.bool()] for row, real in zip(states, mask, strict=True)]


def test_left_and_right_padding_and_single_rows_give_the_same_states(decoder: Path) -> None:
    member = member_of(decoder)
    member.resolve()
    tokenizer = load_tokenizer(decoder)
    read = tokenize_pairs(tokenizer, FRESH, member.text, "", "", cross=True)
    tokens = [read.a[row] for row in range(4)]
    encoder = load_encoder(decoder).eval()
    alone = [padded_states(encoder, [row], tokenizer.pad_token_id, False)[0] for row in tokens]
    for left in (False, True):
        for states, expected in zip(padded_states(encoder, tokens, tokenizer.pad_token_id, left), alone, strict=True):
            torch.testing.assert_close(states, expected, atol=2e-5 * float(expected.abs().max()), rtol=1e-4)


def test_packed_sequences_have_the_states_and_gradients_of_padded_ones(decoder: Path) -> None:
    """Windows of 16 tokens and soft caps included; a token sees nothing of another sequence, and nothing ahead."""
    torch.manual_seed(0)
    packed, plain = (load_encoder(decoder).eval() for _ in range(2))
    rows = [torch.randint(3, 40, (length,)).numpy() for length in (40, 23, 23, 1, 17, 64)]
    batch = pad([(row, len(row)) for row in rows], 0)
    real = batch["attention_mask"].bool()
    states = forward_states(packed, batch, False)
    assert packed.config._attn_implementation == ATTENTION_NAME
    read = {name: batch[name] for name in ("input_ids", "attention_mask")}
    expected = plain(**read).last_hidden_state
    scale = float(expected[real].detach().abs().max())
    torch.testing.assert_close(states[real], expected[real], atol=2e-5 * scale, rtol=1e-4)
    slopes = [
        torch.autograd.grad(part[real].sin().sum(), encoder.layers[0].input_layernorm.weight)[0]
        for part, encoder in ((states, packed), (expected, plain))
    ]
    torch.testing.assert_close(*slopes, atol=1e-4 * float(slopes[1].abs().max()), rtol=1e-3)
    with torch.no_grad():  # the same model still reads padded batches
        again = packed(**read).last_hidden_state
        torch.testing.assert_close(again[real], expected[real], atol=2e-5 * scale, rtol=1e-4)
        alone = packed(input_ids=batch["input_ids"][5:]).last_hidden_state  # without a mask: nothing is padding
        torch.testing.assert_close(alone[0], expected[5], atol=2e-5 * scale, rtol=1e-4)


def test_a_sequence_is_pooled_at_its_end_where_padding_is_a_token_of_the_text(adapted: Any) -> None:
    """EOS fills the batch, ends every sequence and stands within one, as in a chat: the mask alone tells the end."""
    encoder, end = adapted.model.encoder, adapted.reader.tokenizer.eos_token_id
    assert adapted.head.pooling is Pooling.last
    assert all(adapted.reader.read(FRESH)[0].a[row][-1] == end for row in range(len(FRESH)))
    rows = [np.array([*range(10, 10 + length), end, *range(30, 35), end]) for length in (1, 9, 20)]
    batch = pad([(row, 0) for row in rows], end)
    with torch.no_grad():
        pooled = pool(forward_states(encoder, batch, False), batch["attention_mask"], adapted.head.pooling)
        for vector, row in zip(pooled, rows, strict=True):
            expected = encoder(input_ids=torch.from_numpy(row)[None]).last_hidden_state[0, -1]
            torch.testing.assert_close(vector, expected, atol=2e-5 * float(expected.abs().max()), rtol=1e-4)


def test_the_config_knows_the_padding_of_its_tokenizer(adapted: Any) -> None:
    tokenizer, padding = adapted.reader.tokenizer, adapted.reader.padding
    assert adapted.model.encoder.config.pad_token_id == padding
    assert padding == (tokenizer.pad_token_id if "gemma" in adapted.path else tokenizer.eos_token_id)


def test_the_head_and_adapters_are_fp32_and_no_part_of_the_backbone(decoder: Path, tmp_path: Path) -> None:
    """Whatever the backbone is held and computed in; adapters are loaded beside it, and never rounded by a merge."""
    member = member_of(decoder, mode=Mode.lora)
    member.dtype = WeightType.bf16
    fit(member)
    trained = {name: weight for name, weight in member.model.named_parameters() if weight.requires_grad}
    assert {weight.dtype for weight in trained.values()} == {torch.float32}
    assert all(name.startswith("head.") or ".lora_" in name for name in trained)
    layers = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name in trained if ".lora_" in name}
    fused = {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}
    single = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert layers == (fused if member.model.encoder.config.model_type == "phi3" else single)
    member.save(tmp_path)
    assert all(name.startswith("head.") or ".lora_" in name for name in load_file(tmp_path / "model.safetensors"))
    np.testing.assert_allclose(
        EncoderMember.load(tmp_path).predict_proba(FRESH), member.predict_proba(FRESH), atol=1e-6
    )


def test_gemma_2_keeps_its_softcap(decoders: dict[str, Path]) -> None:
    encoder = load_encoder(decoders["gemma2"])
    assert encoder.config.attn_logit_softcapping is not None
    assert encoder.config._attn_implementation == "eager"


@pytest.mark.parametrize("pairing", Pairing)
def test_bos_begins_a_sequence_once_where_a_model_has_one(decoder: Path, pairing: Pairing) -> None:
    tokenizer = load_tokenizer(decoder)
    bos = tokenizer.bos_token_id if tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id else None
    assert (read_config(decoder).model_type.startswith(("gemma", "mistral"))) <= (bos is not None)
    for template in (PLAIN, CHAT) if tokenizer.chat_template else (PLAIN,):
        text = TextSettings(128, 0.2, template=template)
        tokens = tokenize_pairs(tokenizer, FRESH, text, "", "", cross=pairing is Pairing.cross)
        for row in range(len(FRESH)):
            assert tokens.a[row].tolist().count(bos) == (bos is not None)
            assert bos in (None, tokens.a[row][0])


def test_switched_adapters_predict_what_separate_models_do(adapted: Any, tmp_path: Path) -> None:
    members = [adapted, fit(member_of(Path(adapted.path), mode=Mode.lora, lr=1e-2))]
    expected = [member.predict_proba(FRESH) for member in members]
    assert np.abs(expected[0] - expected[1]).max() > 1e-4
    for number, member in enumerate(members):
        (tmp_path / str(number)).mkdir()
        member.save(tmp_path / str(number))
    first, second = loaded = [EncoderMember.load(tmp_path / str(number)) for number in range(2)]
    assert first.model is not None
    assert second.model is not None
    assert first.model.encoder is second.model.encoder
    for number in (0, 1, 1, 0):
        np.testing.assert_allclose(loaded[number].predict_proba(FRESH), expected[number], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("names", [FAMILIES, *([name] for name in REAL)], ids=["tiny", *REAL])
def test_a_new_process_predicts_the_same(names: Iterable[str], decoders: dict[str, Path], tmp_path: Path) -> None:
    expected = {}
    for name, mode in product(names, (Mode.frozen, Mode.lora)):
        member = fit(member_of(directory_of(name, decoders), mode=mode))
        folder = tmp_path / f"{name}-{mode.name}"
        folder.mkdir()
        member.save(folder)
        expected[str(folder)] = member.predict_proba(FRESH)
    code = (
        "import json, sys; from pathlib import Path; from prefens.members.encoder import EncoderMember\n"
        "from tests.helpers.examples import make_pairs\n"
        "members = {folder: EncoderMember.load(Path(folder)) for folder in sys.argv[1:]}\n"
        "fresh = make_pairs(6, seed=1)\n"
        "print(json.dumps({folder: member.predict_proba(fresh).tolist() for folder, member in members.items()}))"
    )
    done = subprocess.run([sys.executable, "-c", code, *expected], capture_output=True, text=True, check=True)
    for folder, predicted in json.loads(done.stdout.splitlines()[-1]).items():
        np.testing.assert_allclose(predicted, expected.pop(folder), atol=1e-6)
    assert not expected
