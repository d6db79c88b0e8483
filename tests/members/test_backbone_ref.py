"""The reference of a stored model to its backbone: what it says is checked before files are looked for."""

import json
from pathlib import Path

import pytest

from prefens.core.errors import StoreError
from prefens.members.backbone_ref import BackboneRef

REFERENCE = BackboneRef("tiny", None, "/models/tiny", "a" * 64)


def test_a_reference_comes_back_as_it_was(tmp_path: Path) -> None:
    assert BackboneRef.read(tmp_path) is None
    REFERENCE.write(tmp_path)
    assert BackboneRef.read(tmp_path) == REFERENCE


@pytest.mark.parametrize("field", [{"path": ""}, {"name": ""}, {"name": 3}, {"fingerprint": "../../x"}], ids=str)
def test_a_reference_that_names_nothing_is_refused(tmp_path: Path, field: dict[str, object]) -> None:
    REFERENCE.write(tmp_path)
    path = tmp_path / "backbone.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **field}))
    with pytest.raises(StoreError, match=f"{path}: .*{next(iter(field))} is"):
        BackboneRef.read(tmp_path)
