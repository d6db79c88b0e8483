"""Pairs from raw columns: every cell is checked, and every row that can't be read is named."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import DataError
from prefens.core.types import Floats, Pairs, Strings
from prefens.data.cells import flag, read_ids, refusal, shown
from prefens.data.raw.json_text import quick_loads, replace_surrogates
from prefens.data.raw.read import read_table
from prefens.data.raw.table import RawTable

log = logging.getLogger(__name__)

TEXT = ("prompt", "response_a", "response_b")
LABEL = ("winner_model_a", "winner_model_b", "winner_tie")  # in the order of Outcome
MODEL = ("model_a", "model_b")
PLAIN = "invalid JSON"
OTHER_FORMATS = {  # by some of their columns
    ("conversation_a", "conversation_b"): "the arena's: conversations as lists of messages",
    ("prompt", "response_a", "winner"): "the WSDM Cup's: plain texts and a winner",
    ("prompt", "response_a", "scored"): "the WSDM Cup's: plain texts",
    ("chosen", "rejected"): "chosen and rejected responses",
}


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
    """Read pairs from a file in the competition's format, of any type that `read_raw` reads.

    Parameters
    ----------
    path : Path
        A file with the columns id, prompt, response_a, response_b, each text a JSON list of turns, or a list of strings
        where the file type has lists; with `labelled` the three one-hot winner columns too; model_a and model_b where
        they exist.
    labelled : bool
        False ignores label and model columns: the rows are test rows.
    strict : bool
        False leaves malformed rows out of `pairs` and lists them in `problems`; True refuses them.

    Raises
    ------
    DataError
        Where columns are missing, where rows are malformed and `strict` (up to 10 are named by row, 1-based, the
        header not counted, and id), or where no row can be read.
    """
    required = ("id", *TEXT, *LABEL) if labelled else ("id", *TEXT)
    table = read_table(Path(path), required, MODEL if labelled else (), other_format)
    return check_file(table, labelled, strict)


def check_file(table: RawTable, labelled: bool, strict: bool) -> LoadedPairs:
    """Return the pairs of a whole data set, as `check_table` does, but refuse one of which no row can be read."""
    loaded = check_table(table, labelled, strict)
    if not len(loaded.rows):
        raise _refusal(table, loaded.ids, loaded.problems)
    return loaded


def other_format(header: Sequence[str]) -> str:
    """Return a format other than the competition's that the names of the columns are of, in words, or ""."""
    return next((words for names, words in OTHER_FORMATS.items() if {*names} <= {*header}), "")


def check_table(table: RawTable, labelled: bool, strict: bool) -> LoadedPairs:
    """Return the pairs of raw columns; parameters and errors as in `load_pairs`."""
    problems, repaired = dict(table.broken), dict(table.repaired)
    ids = read_ids(table, problems)
    with _no_garbage_collection():
        texts = {name: _turns(table, name, problems, repaired) for name in TEXT}
    _match_turns(texts, problems, repaired)
    label = read_one_hot(table, problems) if labelled else None
    if problems and strict:
        raise _refusal(table, ids, problems)
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


def _refusal(table: RawTable, ids: Strings, problems: Mapping[int, str]) -> DataError:
    expected = "one JSON list of strings (or nulls) per text, equal turn counts, unique ids, one-hot labels"
    error = refusal(table, ids, problems, "pairs", expected)
    if len(problems) < len(ids):
        return error
    plain = "plain texts, no JSON lists" if all(PLAIN in problem for problem in problems.values()) else ""
    other, rows = other_format(table.header) or plain, error.came.removeprefix(f"{table.name}: ")
    came = f"{table.name}: no row can be read; the format seems to be {other or 'another one'}; {rows}"
    do = 'write the texts as JSON lists of turns: ["text"]' if plain else error.do
    return DataError(came, expected, do)


def _turns(table: RawTable, column: str, problems: dict[int, str], repaired: dict[str, int]) -> Strings:
    """Parse a text column into turns; a null cell becomes None until `_match_turns` knows its number of turns."""
    parsed = np.empty(table.rows, dtype=object)
    for row, cell in enumerate(table.pop(column)):
        if row in problems:
            continue
        try:
            turns = quick_loads(cell) if type(cell) is str else cell
        except (ValueError, RecursionError):
            try:
                turns = replace_surrogates(json.loads(cell), repaired)
            except (ValueError, RecursionError) as error:
                problems[row] = f"{column}: {PLAIN} ({error}): {shown(cell)}, expected a JSON list of strings"
                continue
        if type(turns) is list:
            if None in turns:
                turns = [turn if turn is not None else "" for turn in turns]
            if all([type(turn) is str for turn in turns]):  # noqa: C419, a generator is slower here
                parsed[row] = tuple(turns)
                continue
        if turns is not None:
            problems[row] = f"{column}: {shown(cell)}, expected a JSON list of strings or nulls"
    return parsed


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


def read_one_hot(table: RawTable, problems: dict[int, str]) -> NDArray[np.int8]:
    """Return the labels of the three winner columns, (n,); rows that are not one-hot are added to `problems`."""
    cells = [list(table.pop(name)) for name in LABEL]
    numbers: Floats = np.array([[flag(cell) for cell in column] for column in cells]).reshape(len(LABEL), -1)
    one_hot = np.isin(numbers, (0.0, 1.0)).all(axis=0) & (numbers.sum(axis=0) == 1.0)
    for row in np.flatnonzero(~one_hot):
        values = ", ".join(f"{name}={column[row]!r}" for name, column in zip(LABEL, cells, strict=True))
        problems.setdefault(int(row), f"label {values}, expected one 1 and two 0")
    return np.where(one_hot, np.nan_to_num(numbers).argmax(axis=0), 0).astype(np.int8)


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
