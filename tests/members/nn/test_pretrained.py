"""Encoders by their files: how long a sequence each family reads, and that other models are refused early."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from prefens.core.errors import BackboneError
from prefens.members.nn.backbone_checks import check_backbone
from prefens.members.nn.pretrained import encoder_from_config, load_encoder, load_tokenizer, max_sequence_length
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import FAMILIES, LENGTHS, make_tiny_encoder

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 60}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_sequence_is_read_and_one_token_more_is_not(family: str, tmp_path: Path) -> None:
    directory = make_tiny_encoder(family, tmp_path)
    longest = max_sequence_length(directory)
    assert longest == LENGTHS.get(family, 132)
    encoder, length = load_encoder(directory).eval(), longest or 200

    def read(tokens: int) -> Any:
        ids = torch.full((1, tokens), 7)
        return encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state

    with torch.inference_mode():
        assert read(length).shape == (1, length, 16)
        if longest is not None and family != "modernbert":  # rotary positions go on, beyond what was trained
            with pytest.raises((RuntimeError, IndexError)):
                read(length + 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_shapes_without_weights_are_the_same(family: str, tmp_path: Path) -> None:
    directory = make_tiny_encoder(family, tmp_path)
    shapes = [
        {name: weight.shape for name, weight in encoder.state_dict().items()}
        for encoder in (load_encoder(directory), encoder_from_config(directory))
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "t5", "d_model": 16, "num_layers": 1, "num_heads": 2, "d_kv": 8}, "an encoder-decoder"),
        ({"model_type": "house-brew", "auto_map": {"AutoModel": "code.Model"}}, "house-brew|custom code"),
        ({"no": "type"}, "model_type"),
    ],
)
def test_what_has_no_sequence_of_states_is_refused(config: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BackboneError, match=message):
        max_sequence_length(tmp_path)


def test_a_directory_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", **SMALL}))
    with pytest.raises(BackboneError, match="tokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("limit", [[], "many", 3])
def test_the_limit_that_a_tokenizer_names_counts_for_nothing(tmp_path: Path, limit: Any) -> None:
    directory = make_tiny_encoder("bert", tmp_path)
    expected = load_tokenizer(directory)("a good answer, and a bad one")["input_ids"]
    path = directory / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": limit}))
    assert load_tokenizer(directory)("a good answer, and a bad one")["input_ids"] == expected


def test_a_tokenizer_that_panics_is_refused(tmp_path: Path) -> None:
    """Its pattern for pairs names a special token that there is not."""
    directory = make_tiny_encoder("bert", tmp_path)
    path = directory / "tokenizer.json"
    content = json.loads(path.read_text())
    content["post_processor"]["special_tokens"] = {}
    path.write_text(json.dumps(content))
    with pytest.raises(BackboneError, match=f"the tokenizer of {directory}"):
        load_tokenizer(directory)


def test_sentencepiece_files_are_read(tmp_path: Path) -> None:
    """As DeBERTa-v3 has them on the hub: spm.model, and no tokenizer.json."""
    sentencepiece = pytest.importorskip("sentencepiece")
    words = [f"{left}{right} {right}{left}" for left in "abcdefgh" for right in "ijklmnop"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(words), model_prefix=str(tmp_path / "spm"), vocab_size=40, hard_vocab_limit=False,
        control_symbols=["[PAD]", "[CLS]", "[SEP]"], unk_piece="[UNK]", bos_id=-1, eos_id=-1, minloglevel=2,
    )  # fmt: skip
    (tmp_path / "config.json").write_text('{"model_type": "deberta-v2"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "DebertaV2Tokenizer", "vocab_type": "spm"}')
    tokenizer = load_tokenizer(tmp_path)
    ids = tokenizer("ai ia", "bj")["input_ids"]
    assert [ids[0], ids[-1]] == [tokenizer.cls_token_id, tokenizer.sep_token_id]
    assert tokenizer.unk_token_id not in ids


@pytest.mark.parametrize("tied", [True, False])
def test_shards_are_read_without_the_language_head_tied_to_the_embeddings_or_not(tmp_path: Path, tied: bool) -> None:
    from transformers import AutoModelForCausalLM

    directory = make_tiny_decoder("llama", tmp_path, tie_word_embeddings=tied)
    assert len([*directory.glob("model-*.safetensors")]) > 1
    check_backbone(directory)
    whole = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).model.state_dict()
    encoder = load_encoder(directory).state_dict()
    assert encoder.keys() == whole.keys()
    assert all(torch.equal(weight, whole[name]) for name, weight in encoder.items())


def test_missing_weights_are_an_error_and_not_drawn_at_random(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    directory = make_tiny_encoder("bert", tmp_path)
    weights = load_file(directory / "model.safetensors")
    pooler = {name for name in weights if "pooler" in name}
    save_file(
        {name: weights[name] for name in weights if name not in pooler},
        directory / "model.safetensors",
        {"format": "pt"},
    )
    load_encoder(directory)  # nothing reads what a pooler gives
    part = next(name for name in weights if "layer.1." in name)
    save_file(
        {name: weights[name] for name in weights if name != part}, directory / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(BackboneError, match="no weights for 1 part of the encoder"):
        load_encoder(directory)
