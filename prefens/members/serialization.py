"""A member's settings as JSON beside its weights, and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")
NAME = "settings.json"


def save_settings(member: Any, directory: Path) -> None:
    """Write the fields of a dataclass instance; choices by name."""
    (directory / NAME).write_text(json.dumps(asdict(member), default=lambda choice: choice.name, indent=2), "utf-8")


def load_settings(kind: type[T], directory: Path) -> T:
    """Return an instance of the dataclass `kind` with the fields that `save_settings` wrote."""
    return restore(kind, json.loads((directory / NAME).read_text("utf-8")))


def restore(kind: type[T], values: dict[str, Any]) -> T:
    """Return an instance of a dataclass from JSON values, nested dataclasses and choices included.

    A field that did not exist when they were written has its default.
    """
    hints = get_type_hints(kind)
    made: dict[str, Any] = {}
    for item in fields(kind):  # type: ignore[arg-type]
        if item.name not in values:
            continue
        hint, value = hints[item.name], values[item.name]
        if isinstance(hint, type) and issubclass(hint, Enum):
            value = hint[value]
        elif is_dataclass(hint) and isinstance(hint, type):
            value = restore(hint, value)
        made[item.name] = value
    return kind(**made)
