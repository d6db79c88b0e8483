"""Typed JSON: what is missing, of another type or not finite is named."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from prefens.core.errors import StoreError
from prefens.core.typed_json import read_typed


@dataclass(frozen=True)
class Part:
    seconds: float


@dataclass(frozen=True)
class Whole:
    name: str
    parts: list[Part]


def read(path: Path, content: str) -> Whole:
    path.write_text(content)
    return read_typed(path, Whole, "a whole", "make it again")


def test_fields_come_back_typed(tmp_path: Path) -> None:
    whole = read(tmp_path / "whole.json", '{"name": "x", "parts": [{"seconds": 1.5e3}], "other": 1}')
    assert whole == Whole("x", [Part(1500.0)])


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "whole.json")
    for path in (tmp_path / "whole.json", tmp_path):
        with pytest.raises(StoreError, match="no regular file"):
            read_typed(path, Whole, "a whole", "make it again")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Invalid JSON"),
        ("[]", "whole.json: Input should be"),
        ('{"parts": []}', "name is missing"),
        ('{"name": 1, "parts": []}', "name is 1"),
        ('{"name": "x", "parts": [{"seconds": "1"}]}', "parts.0.seconds is '1'"),
        ('{"name": "x", "parts": [{"seconds": NaN}]}', "NaN is no finite number"),
        ('{"name": "x", "parts": [{"seconds": -Infinity}]}', "-Infinity is no finite number"),
        ('{"name": "x", "parts": [{"seconds": 1e999}]}', "1e999 is no finite number"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        read(tmp_path / "whole.json", content)
