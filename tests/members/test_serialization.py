"""Settings come back as they were, and those of older stores with what they lacked by default."""

import json
from pathlib import Path

import pytest

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
    with pytest.raises(TypeError, match="name"):
        load_settings(TextCnnMember, tmp_path)
