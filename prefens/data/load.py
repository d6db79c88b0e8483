"""Pairs from raw columns: every cell is checked, and every row that can't be read is named."""

from __future__ import annotations

import gc
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import DataError
from prefens.core.types import Floats, Pairs, Strings
from prefens.data.table import FileTable, read_table


def strict_loads(cell: str) -> Any:
    """Parse JSON and refuse lone surrogates, as orjson does; for machines without orjson."""
    if "\\ud" in cell.lower():
        raise ValueError("surrogates")
    return json.loads(cell)


quick_loads: Callable[[str], Any]
try:
    from orjson import loads as quick_loads
except ImportError:
    quick_loads = strict_loads

log = logging.getLogger(__name__)

TEXT = ("prompt", "response_a", "response_b")
LABEL = ("winner_model_a", "winner_model_b", "winner_tie")  # in the order of Outcome
MODEL = ("model_a", "model_b")
LISTED_ROWS = 10  # malformed rows that one error names
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(eq=False)
class LoadedPairs:
    """The readable pairs of an input, and what is wrong with the other rows.

    Attributes
    ----------
    pairs : Pairs
        The m readable rows, in the order of the input.
    ids : array of str, shape (n,)
        The ids of all rows, in the order of the input.
    rows : array of int64, shape (m,)
        The positions of the readable rows in the input.
    problems : dict of int to str
        By row (0-based), what came and what was expected; empty where malformed rows are refused.
    repaired : dict of str to int
        By kind of repair, the number of texts.
    """

    pairs: Pairs
    ids: Strings
    rows: NDArray[np.int64]
    problems: dict[int, str] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)


def load_pairs(path: Path, labelled: bool = True, strict: bool = True) -> LoadedPairs:
    """Read pairs from a CSV or parquet file in the competition's format.

    Parameters
    ----------
    path : Path
        A file with the columns id, prompt, response_a, response_b, each text a JSON list of turns (in parquet also a
        list of strings); with `labelled` the three one-hot winner columns too; model_a and model_b where they exist.
    labelled : bool
        False ignores label and model columns: the rows are test rows.
    strict : bool
        False leaves malformed rows out of `pairs` and lists them in `problems`; True refuses them.

    Raises
    ------
    DataError
        Where columns are missing, or where rows are malformed and `strict`: up to 10 are named by row (1-based, the
        header not counted) and id.
    """
    required = ("id", *TEXT, *LABEL) if labelled else ("id", *TEXT)
    return check_table(read_table(Path(path), required, MODEL if labelled else ()), labelled, strict)


def check_table(table: FileTable, labelled: bool, strict: bool) -> LoadedPairs:
    """Return the pairs of raw columns; parameters and errors as in `load_pairs`."""
    problems = dict(table.broken)
    repaired: dict[str, int] = {}
    ids = read_ids(table, problems)
    with _no_garbage_collection():
        texts = {name: _turns(table, name, problems, repaired) for name in TEXT}
    _match_turns(texts, problems, repaired)
    label = read_one_hot(table, problems) if labelled else None
    if problems and strict:
        expected = "one JSON list of strings (or nulls) per text, equal turn counts, unique ids, one-hot labels"
        raise refusal(table.name, ids, problems, "pairs", expected)
    for kind, count in repaired.items():
        log.info("%s: %d texts repaired: %s", table.name, count, kind)
    rows = np.array([row for row in range(table.rows) if row not in problems], dtype=np.int64)
    models = {
        name: np.array([cell or "" for cell in table.pop(name)], object) for name in MODEL if name in table.columns
    }
    columns: dict[str, Any] = {"ids": ids, **texts, **models} | ({} if label is None else {"label": label})
    if problems:
        columns = {name: values[rows] for name, values in columns.items()}
    return LoadedPairs(Pairs(**columns), ids, rows, dict(sorted(problems.items())), repaired)


def read_ids(table: FileTable, problems: dict[int, str]) -> Strings:
    """Return the ids as text, (n,); rows whose id is empty or repeated are added to `problems`, by row (0-based)."""
    ids = np.empty(table.rows, dtype=object)
    seen: dict[str, int] = {}
    for row, cell in enumerate(table.pop("id")):
        ids[row] = as_text(cell)
        if not ids[row]:
            problems.setdefault(row, "id: empty, expected a unique id")
        elif (first := seen.setdefault(ids[row], row)) != row:
            problems.setdefault(row, f"id: already in row {first + 1}, expected a unique id")
    return ids


def as_text(cell: Any) -> str:
    """Return the cell of an identifier as text, "" where it is empty."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # integers with a gap somewhere, as pandas writes them
    return "" if cell is None else str(cell)


def _turns(table: FileTable, column: str, problems: dict[int, str], repaired: dict[str, int]) -> Strings:
    """Parse a text column into turns; a null cell becomes None until `_match_turns` knows its number of turns."""
    parsed = np.empty(table.rows, dtype=object)
    for row, cell in enumerate(table.pop(column)):
        if row in problems:
            continue
        try:
            turns = quick_loads(cell) if type(cell) is str else cell
        except (ValueError, RecursionError):
            try:
                turns = _replace_surrogates(json.loads(cell), repaired)
            except (ValueError, RecursionError) as error:
                problems[row] = f"{column}: invalid JSON ({error}): {_shown(cell)}, expected a JSON list of strings"
                continue
        if type(turns) is list:
            if None in turns:
                turns = [turn if turn is not None else "" for turn in turns]
            if all([type(turn) is str for turn in turns]):  # noqa: C419, a generator is slower here
                parsed[row] = tuple(turns)
                continue
        if turns is not None:
            problems[row] = f"{column}: {_shown(cell)}, expected a JSON list of strings or nulls"
    return parsed


def _replace_surrogates(turns: Any, repaired: dict[str, int]) -> Any:
    """Replace halves of surrogate pairs, which the lenient parser reads, by the replacement character."""
    if not isinstance(turns, list):
        return turns
    clean = [SURROGATE.sub("\ufffd", turn) if isinstance(turn, str) else turn for turn in turns]
    if clean != turns:
        repaired["lone surrogates replaced"] = repaired.get("lone surrogates replaced", 0) + 1
    return clean


def _match_turns(texts: dict[str, Strings], problems: dict[int, str], repaired: dict[str, int]) -> None:
    """Replace null texts by as many empty turns as the other texts of the row have, and compare the counts."""
    for row, turns in enumerate(zip(*texts.values(), strict=True)):
        if row in problems or (None not in turns and len(turns[0]) == len(turns[1]) == len(turns[2])):
            continue
        counts = {len(part) for part in turns if part is not None}
        if len(counts) > 1:
            lengths = ", ".join(f"{name} {len(texts[name][row])}" for name in TEXT if texts[name][row] is not None)
            problems[row] = f"unequal turn counts: {lengths}, expected the same number of turns in each"
            continue
        repaired["null text read as empty"] = repaired.get("null text read as empty", 0) + 1
        empty = ("",) * max(counts, default=1)
        for name in TEXT:
            if texts[name][row] is None:
                texts[name][row] = empty


def read_one_hot(table: FileTable, problems: dict[int, str]) -> NDArray[np.int8]:
    """Return the labels of the three winner columns, (n,); rows that are not one-hot are added to `problems`."""
    cells = [list(table.pop(name)) for name in LABEL]
    numbers: Floats = np.array([[number(cell) for cell in column] for column in cells]).reshape(len(LABEL), -1)
    one_hot = np.isin(numbers, (0.0, 1.0)).all(axis=0) & (numbers.sum(axis=0) == 1.0)
    for row in np.flatnonzero(~one_hot):
        values = ", ".join(f"{name}={column[row]!r}" for name, column in zip(LABEL, cells, strict=True))
        problems.setdefault(int(row), f"label {values}, expected one 1 and two 0")
    return np.where(one_hot, np.nan_to_num(numbers).argmax(axis=0), 0).astype(np.int8)


def number(cell: Any) -> float:
    """Return the number in a cell, NaN where there is none."""
    try:
        return float(cell)
    except (TypeError, ValueError):
        return float("nan")


def _shown(cell: Any) -> str:
    text = cell if isinstance(cell, str) else repr(cell)
    return repr(text) if len(text) <= 60 else f"{text[:40]!r} ... {text[-15:]!r}"


def refusal(name: str, ids: Strings, problems: Mapping[int, str], kind: str, expected: str) -> DataError:
    """Return the error about rows that can't be read; up to 10 are listed.

    Parameters
    ----------
    name : str
        The file.
    ids : array of str, shape (n,)
        The ids of all rows.
    problems : mapping of int to str
        By row (0-based), what is wrong.
    kind, expected : str
        What the rows should be, in a word and in detail.
    """
    listed = [f"row {row + 1} (id {ids[row]}): {problems[row]}" for row in sorted(problems)[:LISTED_ROWS]]
    more = f"\n    ... and {len(problems) - LISTED_ROWS} more rows" if len(problems) > LISTED_ROWS else ""
    return DataError(
        f"{name}: {len(problems)} of {len(ids)} rows can't be read as {kind}:\n    " + "\n    ".join(listed) + more,
        expected,
        "correct or remove these rows (row numbers start at 1 and don't count the header)",
    )


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector: scanning 10^5 new tuples again and again doubles the time, and none is garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
