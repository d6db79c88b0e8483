"""Cells as identifiers and numbers: one rule for all file types, and the error that names the rows that break it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prefens.core.errors import DataError, counted
from prefens.core.types import Strings
from prefens.data.raw.table import RawTable

LISTED_ROWS = 10  # malformed rows that one error names
EXACT_BITS = {16: 11, 32: 24, 64: 53}  # by the width of a float: integers of so many bits are exact
WRITTEN_INTEGER = re.compile(r"(0|-?[1-9][0-9]*)(\.0+)?")  # as pandas writes a column of integers with a gap


def read_ids(table: RawTable, problems: dict[int, str]) -> Strings:
    """Return the ids as text, (n,); rows whose id is none, or repeated, are added to `problems`, by row (0-based)."""
    ids = read_identifiers(table, "id", problems, "a unique id")
    if len({*ids}) == len(ids):
        return ids
    seen: dict[str, int] = {}
    for row, id_ in enumerate(ids):
        if id_ and (first := seen.setdefault(id_, row)) != row:
            problems.setdefault(row, f"id: already in {table.place(first)}, expected a unique id")
    return ids


def read_identifiers(table: RawTable, column: str, problems: dict[int, str], expected: str) -> Strings:
    """Return a column of identifiers as text, (n,), "" where a cell is none; such rows are added to `problems`.

    Whole numbers are integers, however they are stored: 12.0 in a column of floats is 12, and so is the text "12.0"
    where every text of the column is a whole number. Other text, such as 007 or 1e5, is kept as it is.

    Parameters
    ----------
    table : RawTable
        The column is removed from it.
    column : str
        The name of the column.
    problems : dict of int to str
        By row (0-based), what is wrong.
    expected : str
        What the cells should be, for `problems`.
    """
    texts: list[str] = []
    for piece in table.columns.pop(column):
        if _are_plain(piece):
            texts += piece.cast(pa.large_string()).to_pylist()
            continue
        width = piece.type.bit_width if pa.types.is_floating(piece.type) else 64
        for cell in piece.to_pylist():
            try:
                texts.append(_identifier(cell, EXACT_BITS[width]))
            except ValueError as error:
                problems.setdefault(len(texts), f"{column}: {error}, expected {expected}")
                texts.append("")
    if any("." in text for text in texts):
        matches = [WRITTEN_INTEGER.fullmatch(text) for row, text in enumerate(texts) if text and row not in problems]
        if all(matches):
            texts = [text.partition(".")[0] for text in texts]
    return as_column(texts)


def as_column(values: Sequence[Any]) -> Strings:
    """Return values, (n,), as an array of objects: tuples too, which NumPy would take for rows."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _are_plain(piece: pa.Array) -> bool:
    """Whether all cells are integers, or texts that are not empty."""
    if piece.null_count:
        return False
    if pa.types.is_string(piece.type) or pa.types.is_large_string(piece.type):
        return bool(pc.min(pc.binary_length(piece)).as_py() != 0)
    return bool(pa.types.is_integer(piece.type))


def _identifier(cell: Any, bits: int) -> str:
    """Return a cell as text; ValueError that says what came where it can't be an identifier."""
    if isinstance(cell, str):
        text = cell
    elif isinstance(cell, bytes):
        try:
            text = cell.decode()
        except UnicodeDecodeError:
            raise ValueError(f"bytes that are not UTF-8, {cell!r:.60}") from None
    elif cell is None:
        text = ""
    elif isinstance(cell, UUID | int) and not isinstance(cell, bool):
        text = str(cell)
    elif isinstance(cell, float | Decimal) and cell == cell and cell % 1 == 0:
        if abs(cell) > 2**bits and isinstance(cell, float):
            raise ValueError(f"{cell!r}, a float that has lost digits")
        text = str(int(cell))
    else:
        raise ValueError(f"{type(cell).__name__} {cell!r:.60}")
    if not text:
        raise ValueError("empty")
    return text


def number(cell: Any) -> float:
    """Return the number in a cell, NaN where there is none; true and false are none."""
    try:
        return float("nan") if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def flag(cell: Any) -> float:
    """Return the number in a cell that may also say true or false, in any file type."""
    value = number(cell)
    return value if value == value else {"true": 1.0, "false": 0.0}.get(str(cell).strip().lower(), value)


def shown(cell: Any) -> str:
    """Return a cell for a message: at most some 60 characters."""
    text = cell if isinstance(cell, str) else repr(cell)
    return repr(text) if len(text) <= 60 else f"{text[:40]!r} ... {text[-15:]!r}"


def refusal(table: RawTable, ids: Strings, problems: Mapping[int, str], kind: str, expected: str) -> DataError:
    """Return the error about rows that can't be read; up to 10 are listed.

    Parameters
    ----------
    table : RawTable
        What they were read from.
    ids : array of str, shape (n,)
        The ids of all rows.
    problems : mapping of int to str
        By row (0-based), what is wrong.
    kind, expected : str
        What the rows should be, in a word and in detail.
    """
    listed = [f"{table.place(row)} (id {ids[row]}): {problems[row]}" for row in sorted(problems)[:LISTED_ROWS]]
    more = f"\n    ... and {counted(len(problems) - LISTED_ROWS, 'more row')}" if len(problems) > LISTED_ROWS else ""
    return DataError(
        f"{table.name}: {len(problems)} of {counted(len(ids), 'row')} can't be read as {kind}:\n    "
        + "\n    ".join(listed)
        + more,
        expected,
        "correct or remove these rows (row numbers start at 1 and don't count the header)",
    )
