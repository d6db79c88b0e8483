"""Settings come back as they were, and those of older stores with what they lacked by default."""

import json
from pathlib import Path

import pytest

from prefens.core.errors import StoreError
from prefens.members.serialization import load_settings, save_settings
from prefens.members.textcnn import TextCnnMember
from prefens.members.training.settings import Save, TrainingSettings


def test_settings_come_back(tmp_path: Path) -> None:
    member = TextCnnMember("textcnn", training=TrainingSettings(lr=0.5, save=Save.fp32))
    save_settings(member, tmp_path)
    again = load_settings(TextCnnMember, tmp_path)
    assert again.training == member.training
    assert again.text == member.text


def test_fields_that_an_older_store_lacks_have_their_default(tmp_path: Path) -> None:
    save_settings(TextCnnMember("textcnn"), tmp_path)
    path = tmp_path / "settings.json"
    values = json.loads(path.read_text())
    del values["training"]["checkpoint_minutes"]
    path.write_text(json.dumps(values))
    assert load_settings(TextCnnMember, tmp_path).training.checkpoint_minutes == TrainingSettings().checkpoint_minutes
    del values["name"]
    path.write_text(json.dumps(values))
    with pytest.raises(StoreError, match="name"):
        load_settings(TextCnnMember, tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dimension", "128"), ("dimension", 1.5), ("dimension", None), ("dropout", float("inf")), ("widths", 3),
        ("widths", ["3"]), ("training", []), ("training", {"mode": "os.system"}), ("training", {"mode": []}),
        ("head", {"style": "yes"}), ("pairing", {"kind": "cross"}), ("name", {"_target_": "os.system"}),
    ],
)  # fmt: skip
def test_fields_of_another_type_are_refused_by_file(tmp_path: Path, field: str, value: object) -> None:
    save_settings(TextCnnMember("textcnn"), tmp_path)
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(StoreError, match=str(path)):
        load_settings(TextCnnMember, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "[" * 100_000, "version https://git-lfs.github.com/spec/v1"])
def test_what_is_no_settings_is_refused_by_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(StoreError, match=str(tmp_path / "settings.json")):
        load_settings(TextCnnMember, tmp_path)
