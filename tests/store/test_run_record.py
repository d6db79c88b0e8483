"""The record of a fold run: it comes back as it was, and names each field that is missing or of another type."""

import json
from pathlib import Path
from typing import Any

import pytest

from prefens.core.errors import StoreError
from prefens.store.run_record import RunRecord, read_run_record
from tests.helpers.trackers import run_record

DO = "run the same train command"


def written(path: Path, **changes: Any) -> Path:
    """Write a run.json with other fields; None leaves one out."""
    fields = {**run_record().as_dict(), **changes}
    path.write_text(json.dumps({name: value for name, value in fields.items() if value is not None}))
    return path


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    fields = {**vars(run_record()), "metadata": {"rounds": 3, "loss": 1.0, "precision": "bf16", "compiled": True}}
    record = RunRecord(**fields)
    (tmp_path / "run.json").write_text(json.dumps(record.as_dict()))
    again = read_run_record(tmp_path / "run.json", DO)
    assert again == record
    assert again.digest == record.digest
    assert [type(value) for value in again.metadata.values()] == [int, float, str, bool]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_loss": None}, "log_loss is missing"),
        ({"log_loss": "1.0"}, "log_loss is '1.0'"),
        ({"train_rows": 1.5}, "train_rows is 1.5"),
        ({"seconds": None, "files": {"model/weights": 5}}, "seconds is missing.*files.model/weights is 5"),
        ({"files": {"model/weights": {"size": 5.5, "sha256": 1}}}, "weights.size is 5.5.*weights.sha256 is 1"),
        ({"curves": {"train_loss": [1.0, "x"]}}, "curves.train_loss.1 is 'x'"),
        ({"key": {"seed": 0}}, "key.recipe_digest is missing"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = written(tmp_path / "run.json", **changes)
    with pytest.raises(StoreError, match=rf"{path}: .*{message}(.|\n)*run.json(.|\n)*same train command"):
        read_run_record(path, DO)


@pytest.mark.parametrize("content", ["", "[]", "{", "null"])
def test_what_is_no_record_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(StoreError, match=f"{path}"):
        read_run_record(path, DO)
    with pytest.raises(StoreError, match="No such file"):
        read_run_record(tmp_path / "other.json", DO)
