"""A member's settings as JSON beside its weights, and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pydantic import TypeAdapter

from prefens.core.errors import PrefensError
from prefens.core.tensors import refusal

T = TypeVar("T")
FILE_NAME = "settings.json"


def save_settings(member: Any, directory: Path, n_outcomes: int = 3) -> None:
    """Write the fields of a dataclass instance, enum values by name, and the number of outcomes where it is not 3."""
    values = asdict(member) | ({} if n_outcomes == 3 else {"n_outcomes": n_outcomes})
    text = json.dumps(values, default=lambda value: value.name, indent=2)
    (directory / FILE_NAME).write_text(text, "utf-8")


def load_settings(cls: type[T], directory: Path) -> T:
    """Return an instance of the dataclass `cls` with the fields and the `n_outcomes` that `save_settings` wrote.

    Raises
    ------
    StoreError
        The file is missing or no JSON, or fields are missing, of another type or out of their range.
    """
    path = directory / FILE_NAME
    try:
        values = json.loads(path.read_text("utf-8"))
        member: Any = restore(cls, values)
        if values.get("n_outcomes", 3) not in (2, 3):
            raise TypeError(f"n_outcomes is {values['n_outcomes']!r:.60}, not 2 or 3")
        member.n_outcomes = values.get("n_outcomes", 3)
        return cast(T, member)
    except PrefensError as error:  # of the dataclasses themselves
        raise refusal(path, error.came, error.expected) from error
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise refusal(path, f"{type(error).__name__}: {str(error)[:200]}", "the settings of a stored member") from error


def restore(cls: type[T], values: Any) -> T:
    """Return an instance of a dataclass from JSON values, nested dataclasses and enums included.

    A field that `values` lacks, since it did not exist when they were written, gets its default.

    Raises
    ------
    TypeError, KeyError
        A field is missing or of another type, or an enum has no such name.
    """
    if not isinstance(values, dict):
        raise TypeError(f"{values!r:.60} in place of the fields of {cls.__name__}")
    hints = get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for item in fields(cls):  # type: ignore[arg-type]
        if item.name not in values:
            continue
        hint, value = _without_none(hints[item.name]), values[item.name]
        if value is not None and isinstance(hint, type) and issubclass(hint, Enum):
            value = hint[value]
        elif is_dataclass(hint) and isinstance(hint, type):
            value = restore(hint, value)
        else:
            _check_type(item.name, hints[item.name], value)
        arguments[item.name] = value
    return cls(**arguments)


def _without_none(hint: Any) -> Any:
    """Return X of the hint `X | None`, and any other hint as it is."""
    others = [part for part in get_args(hint) if part is not NoneType]
    return others[0] if len(others) == 1 and NoneType in get_args(hint) else hint


def _check_type(name: str, hint: Any, value: Any) -> None:
    try:
        TypeAdapter(hint).validate_json(json.dumps(value, allow_nan=False), strict=True)
    except ValueError as error:  # pydantic's is one
        raise TypeError(f"{name} is {value!r:.60}, not {hint}") from error
