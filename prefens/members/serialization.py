"""A member's settings as JSON beside its weights, and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")
FILE_NAME = "settings.json"


def save_settings(member: Any, directory: Path) -> None:
    """Write the fields of a dataclass instance; enum values by name."""
    text = json.dumps(asdict(member), default=lambda value: value.name, indent=2)
    (directory / FILE_NAME).write_text(text, "utf-8")


def load_settings(cls: type[T], directory: Path) -> T:
    """Return an instance of the dataclass `cls` with the fields that `save_settings` wrote."""
    return restore(cls, json.loads((directory / FILE_NAME).read_text("utf-8")))


def restore(cls: type[T], values: dict[str, Any]) -> T:
    """Return an instance of a dataclass from JSON values, nested dataclasses and enums included.

    A field that `values` lacks, since it did not exist when they were written, gets its default.
    """
    hints = get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for item in fields(cls):  # type: ignore[arg-type]
        if item.name not in values:
            continue
        hint, value = hints[item.name], values[item.name]
        if isinstance(hint, type) and issubclass(hint, Enum):
            value = hint[value]
        elif is_dataclass(hint) and isinstance(hint, type):
            value = restore(hint, value)
        arguments[item.name] = value
    return cls(**arguments)
