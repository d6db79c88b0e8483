"""JSON lines, one object a row; and a JSON list of objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from prefens.data.raw.json_text import quick_loads, replace_surrogates
from prefens.data.raw.source import Source
from prefens.data.raw.table import Choose, RawTable, pick

EXPECTED = "one JSON object a line"


def is_json(head: bytes) -> bool:
    """Whether text begins as JSON objects do."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith(b"{") or (text.startswith(b"[") and text[1:].lstrip()[:1] in (b"{", b"]"))


def read_json_lines(source: Source, choose: Choose) -> RawTable:
    """Read columns of JSON objects; a key that an object lacks is null, and cells of mixed types become JSON text.

    Raises
    ------
    DataError
        Where no row is an object.
    """
    broken: dict[int, str] = {}
    repaired: dict[str, int] = {}
    text = source.read().removeprefix(b"\xef\xbb\xbf").strip()
    lines = _items(source, text, repaired) if text.startswith(b"[") else text.split(b"\n")
    rows: list[dict[str, Any]] = []
    for line in lines:
        if isinstance(line, bytes) and not line.strip():
            continue
        row, problem = _object(line, repaired)
        if problem:
            broken[len(rows)] = problem
        rows.append(row)
    if rows and len(broken) == len(rows):
        raise source.refusal(f"JSON, but no line is an object: {broken[0]}", EXPECTED, "write it as JSON lines")
    header = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [_array([row.get(name) for row in rows])] for name in pick(source, choose, header)}
    return RawTable(source.name, columns, len(rows), tuple(header), broken, repaired)


def _items(source: Source, text: bytes, repaired: dict[str, int]) -> Sequence[Any]:
    try:
        return list(_loads(text, repaired))
    except (ValueError, RecursionError) as error:
        raise source.refusal(f"a JSON list that can't be read: {error}", EXPECTED) from error


def _object(line: Any, repaired: dict[str, int]) -> tuple[dict[str, Any], str]:
    """Return the object of a row, empty where there is none, and what is wrong with it."""
    try:
        value = _loads(line, repaired) if isinstance(line, bytes) else line
    except UnicodeDecodeError:
        return {}, "bytes that are not UTF-8"
    except (ValueError, RecursionError) as error:
        return {}, f"invalid JSON ({error}), expected an object"
    return (value, "") if isinstance(value, dict) else ({}, f"a JSON {type(value).__name__}, expected an object")


def _loads(text: bytes, repaired: dict[str, int]) -> Any:
    try:
        return quick_loads(text)
    except (ValueError, RecursionError):
        return replace_surrogates(json.loads(text.decode()), repaired)


def _array(cells: list[Any]) -> pa.Array:
    try:
        array = pa.array(cells)
    except (pa.ArrowException, OverflowError):
        texts = [cell if isinstance(cell, str | None) else json.dumps(cell, ensure_ascii=False) for cell in cells]
        array = pa.array(texts, pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
