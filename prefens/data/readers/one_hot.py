"""The competition's format: texts as JSON lists of turns, labels in three one-hot columns. Every cell is checked."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import DataError, counted
from prefens.core.types import Floats, Pairs, Strings
from prefens.data.cells import as_column, flag, read_ids, refusal, shown
from prefens.data.garbage import no_garbage_collection
from prefens.data.loaded import LABEL, MODEL, TEXT, LoadedPairs
from prefens.data.raw.json_lists import Turns, batches, parse_lists
from prefens.data.raw.json_text import quick_loads, replace_surrogates
from prefens.data.raw.source import listed
from prefens.data.raw.table import RawTable

log = logging.getLogger(__name__)

WORDS = "JSON lists of turns, one-hot labels"
PLAIN = "invalid JSON"
TIE_WORD = re.compile(r"(?:^|[\W_])(?:is)?_?(?:tie[ds]?|draw)(?:$|[\W_])", re.IGNORECASE)


def columns(header: Sequence[str], labelled: bool) -> list[str]:
    """Return the columns that are read of a file with this header; none where it is in another format."""
    required = ("id", *TEXT, *LABEL[:2]) if labelled else ("id", *TEXT)
    other = not {*LABEL[:2]} <= {*header} and {"winner", "scored"} & {*header}  # of the WSDM Cup, with plain texts
    if other or not {*required} <= {*header}:
        return []
    ties = [name for name in LABEL[2:] if labelled and name in header]  # data without ties may lack the column
    return [*required, *ties, *(name for name in MODEL if labelled and name in header)]


def read(table: RawTable, labelled: bool, strict: bool) -> LoadedPairs:
    """Return the pairs of a whole data set, as `read_some` does, but refuse one of which no row can be read."""
    loaded = read_some(table, labelled, strict)
    if not len(loaded.rows):
        raise _refusal(table, loaded.ids, loaded.problems)
    return loaded


def read_some(table: RawTable, labelled: bool, strict: bool) -> LoadedPairs:
    """Return the pairs of raw columns, maybe none; parameters and errors as in `load_pairs`."""
    problems, repaired = dict(table.broken), dict(table.repaired)
    ids = read_ids(table, problems)
    with no_garbage_collection():
        texts = {name: _turns(table, name, problems, repaired) for name in TEXT}
    _match_turns(texts, problems, repaired)
    label = _labels(table, problems, strict) if labelled else None
    if problems and strict:
        raise _refusal(table, ids, problems)
    for kind, count in repaired.items():
        log.info("%s: %s repaired: %s", table.name, counted(count, "text"), kind)
    rows = np.delete(np.arange(table.rows, dtype=np.int64), [*problems])
    models = {name: _models(table, name) for name in MODEL if name in table.columns}
    columns: dict[str, Any] = {"ids": ids, **texts, **models} | ({} if label is None else {"label": label})
    if problems:
        columns = {name: values[rows] for name, values in columns.items()}
    metadata = {"source": np.array(table.sources, dtype=object)[rows]} if table.sources else {}
    return LoadedPairs(Pairs(**columns), ids, rows, dict(sorted(problems.items())), repaired, metadata)


def _refusal(table: RawTable, ids: Strings, problems: Mapping[int, str]) -> DataError:
    expected = "one JSON list of strings (or nulls) per text, equal turn counts, unique ids, one-hot labels"
    error = refusal(table, ids, problems, "pairs", expected)
    if len(problems) < len(ids):
        return error
    plain = "plain texts, no JSON lists" if all(PLAIN in problem for problem in problems.values()) else ""
    rows = error.came.removeprefix(f"{table.name}: ")
    came = f"{table.name}: no row can be read; the format seems to be {plain or 'another one'}; {rows}"
    do = 'give data.format=winner, which reads plain texts, or write them as JSON lists of turns: ["text"]'
    do = do if plain else error.do
    return DataError(came, expected, do)


def _turns(table: RawTable, column: str, problems: dict[int, str], repaired: dict[str, int]) -> Strings:
    """Parse a text column into turns; a null cell becomes None until `_match_turns` knows its number of turns."""
    parsed: list[Turns | None] = []
    for piece in table.pop_pieces(column):
        for batch in batches(piece):
            turns = parse_lists(batch)
            if turns is None:
                start = len(parsed)
                turns = [
                    None if row in problems else _cell_turns(cell, column, row, problems, repaired)
                    for row, cell in enumerate(batch.to_pylist(), start)
                ]
            parsed += turns
    return as_column(parsed)


def _cell_turns(cell: Any, column: str, row: int, problems: dict[int, str], repaired: dict[str, int]) -> Turns | None:
    """Return the turns of a cell, None of a null one; what can't be read is added to `problems`."""
    try:
        turns = quick_loads(cell) if type(cell) is str else cell
    except (ValueError, RecursionError):
        try:
            turns = replace_surrogates(json.loads(cell), repaired)
        except (ValueError, RecursionError) as error:
            problems[row] = f"{column}: {PLAIN} ({error}): {shown(cell)}, expected a JSON list of strings"
            return None
    if type(turns) is list and all(turn is None or type(turn) is str for turn in turns):
        return tuple([turn or "" for turn in turns])
    if turns is not None:
        problems[row] = f"{column}: {shown(cell)}, expected a JSON list of strings or nulls"
    return None


def _models(table: RawTable, column: str) -> Strings:
    values, index = table.pop_encoded(column)
    return as_column([value or "" for value in values])[index]


def _match_turns(texts: dict[str, Strings], problems: dict[int, str], repaired: dict[str, int]) -> None:
    """Replace null texts by as many empty turns as the other texts of the row have, and compare the counts."""
    lengths = np.array([[-1 if turns is None else len(turns) for turns in column] for column in texts.values()])
    odd = (lengths < 0).any(axis=0) | (lengths != lengths[0]).any(axis=0)
    for row in np.flatnonzero(odd).tolist():
        if row in problems:
            continue
        turns = [column[row] for column in texts.values()]
        counts = {len(part) for part in turns if part is not None}
        if len(counts) > 1:
            came = ", ".join(f"{name} {len(texts[name][row])}" for name in TEXT if texts[name][row] is not None)
            problems[row] = f"unequal turn counts: {came}, expected the same number of turns in each"
            continue
        repaired["null text read as empty"] = repaired.get("null text read as empty", 0) + 1
        empty = ("",) * max(counts, default=1)
        for name in TEXT:
            if texts[name][row] is None:
                texts[name][row] = empty


def _labels(table: RawTable, problems: dict[int, str], strict: bool) -> NDArray[np.int8]:
    """Return labels as `read_one_hot` does; DataError where the ties seem to be in a column of another name.

    A column whose name looks like that of ties says so, and so do rows without a winner where rows are refused anyway.
    """
    if LABEL[2] in table.columns:
        return read_one_hot(table, problems)
    named = _tie_columns(table.header)
    cells = [table.columns[name] for name in LABEL[:2]]
    winners = [np.array([flag(cell) for piece in pieces for cell in piece.to_pylist()]) for pieces in cells]
    ties = int(((winners[0] == 0) & (winners[1] == 0)).sum())
    if named or (ties and strict):
        column = named[0] if named else "COLUMN"
        do = f"name the column of the ties: 'data.columns={{{LABEL[2]}: {column}}}'"
        raise DataError(
            f"{table.name}: no column {LABEL[2]}, and {ties} of {table.rows} rows with 0 in {' and '.join(LABEL[:2])}"
            f" (columns: {listed(table.header)})",
            f"{LABEL[2]}, with 1 for a tie; or neither ties nor a column that seems to hold them",
            do if named else f"{do}; where there is none, and no ties, correct or remove these rows",
        )
    return read_one_hot(table, problems)


def _tie_columns(header: Sequence[str]) -> list[str]:
    """Return the columns whose names look like that of ties."""
    others = {name.lower(): name for name in header if name not in (*LABEL, *TEXT, *MODEL)}
    close = get_close_matches(LABEL[2], others, n=1, cutoff=0.8)
    return [others[name] for name in close or others if close or TIE_WORD.search(name)]


def read_one_hot(table: RawTable, problems: dict[int, str]) -> NDArray[np.int8]:
    """Return the labels of the two or three winner columns, (n,); rows that are not one-hot are added to `problems`."""
    names = [name for name in LABEL if name in table.columns]
    cells = [table.pop_encoded(name) for name in names]
    numbers: Floats = np.array([np.array([flag(value) for value in values])[index] for values, index in cells])
    one_hot = np.isin(numbers, (0.0, 1.0)).all(axis=0) & (numbers.sum(axis=0) == 1.0)
    for row in np.flatnonzero(~one_hot):
        came = ", ".join(f"{name}={values[index[row]]!r}" for name, (values, index) in zip(names, cells, strict=True))
        problems.setdefault(int(row), f"label {came}, expected one 1 and {'two 0' if len(names) == 3 else 'one 0'}")
    return np.where(one_hot, np.nan_to_num(numbers).argmax(axis=0), 0).astype(np.int8)
