"""Columns of JSON lists of texts, a thousand cells at a time: one call of the parser instead of a thousand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from prefens.data.raw.json_text import quick_loads

BATCH_ROWS = 1000
SEPARATOR = pa.scalar(
    ",\n", pa.large_string()
)  # a line can't end inside a JSON string: no cell takes the separator, or a part of the next, as its text
Turns = tuple[str, ...]


def batches(piece: pa.Array) -> Iterator[pa.Array]:
    """Yield a piece of a column in slices of BATCH_ROWS."""
    for start in range(0, len(piece), BATCH_ROWS):
        yield piece.slice(start, BATCH_ROWS)


def parse_lists(cells: pa.Array) -> list[Turns | None] | None:
    """Return each cell, a JSON list of texts, as a tuple; None where it is null. Null texts in a list become "".

    The cells are joined to one list and parsed in one go. That refuses what each cell alone would be refused for: a
    cell begins with a bracket, and no value may hold a list, so no cell begins inside the value of another one; each
    then holds whole values, at least one, and there must be as many values as cells.

    Returns
    -------
    list of tuple of str or None, or None
        None where the cells are of another type or hold anything else, so that each must be looked at.
    """
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        return None
    cells = cells.cast(pa.large_string()).fill_null("null")
    is_null = pc.equal(cells, "null")
    if not pc.all(pc.or_(pc.starts_with(cells, "["), is_null)).as_py():
        return None
    joined = pc.binary_join(pa.ListArray.from_arrays([0, len(cells)], cells), SEPARATOR)[0].as_buffer()
    try:
        values: list[list[str | None] | None] = quick_loads(b"".join([b"[", joined, b"]"]))
    except (ValueError, RecursionError):
        return None
    return _flat(values) if len(values) == len(cells) else None


def _flat(values: list[Any]) -> list[Turns | None] | None:
    """Return lists of texts as tuples; None where a value is another one."""
    kinds = {*map(type, values)}
    lists = values if kinds == {list} else [value for value in values if value is not None]
    if not kinds <= {list, type(None)}:
        return None
    texts = {*map(type, chain.from_iterable(lists))}
    if texts <= {str}:
        return (
            [*map(tuple, values)] if kinds == {list} else [None if value is None else tuple(value) for value in values]
        )
    if not texts <= {str, type(None)}:
        return None
    return [value if value is None else tuple([text or "" for text in value]) for value in values]
