"""JSON files that are read as a typed value: each field that is missing or of another type is named."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from prefens.core.errors import StoreError

T = TypeVar("T")

SHOWN_FIELDS = 10  # wrong fields that an error names


def read_typed(path: Path, kind: type[T], expected: str, do: str) -> T:
    """Return the content of a JSON file as a dataclass; fields that the dataclass does not have are ignored.

    Parameters
    ----------
    path : Path
        The file.
    kind : type
        The dataclass that declares the fields and their types.
    expected : str
        What the file should be, for the error.
    do : str
        The command that heals the file, for the error.

    Raises
    ------
    StoreError
        Where the file is missing, is no JSON, lacks fields or has them with other types (each is named), or where a
        number is not finite.
    PermissionError
        Where this user may not read it: it is not damaged.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever
            raise StoreError(f"{path}: no regular file", expected, do)
        # mypy takes no class for hashable here.
        content = path.read_bytes()
        value: T = _adapter(kind).validate_json(content, strict=True)  # type: ignore[arg-type]
        json.loads(content, parse_float=_finite, parse_constant=_finite)
    except PermissionError:
        raise
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}", expected, do) from error
    except ValidationError as error:
        problems = [_problem(each) for each in error.errors()]
        more = f"; and {len(problems) - SHOWN_FIELDS} more" if len(problems) > SHOWN_FIELDS else ""
        raise StoreError(f"{path}: {'; '.join(problems[:SHOWN_FIELDS])}{more}", expected, do) from error
    except ValueError as error:
        raise StoreError(f"{path}: {error}", f"{expected}, with finite numbers", do) from error
    return value


def _finite(text: str) -> float:
    """Return a number; ValueError where it is infinite or none, which nothing that prefens writes holds."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:80]} is no finite number")
    return value


def _problem(error: Any) -> str:
    field = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{field} is missing"
    return f"{field} is {error['input']!r:.60}: {error['msg']}" if field else str(error["msg"])


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
