"""Names and values of settings in words, for errors."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", NoneType: "null"}


def near_first(name: str, names: Iterable[str]) -> list[str]:
    """Return names, those that look like `name` before the others."""
    every = list(dict.fromkeys(names))
    near = get_close_matches(name, every, n=3)
    return [*near, *(other for other in every if other not in near)]


def described(hint: Any) -> str:
    """Return the values that a type has, in words."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of {', '.join(member.name for member in hint)}"
    if get_origin(hint) in (Union, UnionType):
        return ", or ".join(map(described, get_args(hint)))
    if get_origin(hint) is list:
        return "a list"
    return WORDS.get(hint, "a value of another type")
