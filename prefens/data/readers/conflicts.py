"""Many responses with a score each, and the pairs of them to compare: PPE's correctness sets (Frick et al. 2024)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from prefens.core.types import Outcome
from prefens.data.cells import flag, shown
from prefens.data.loaded import LoadedPairs
from prefens.data.raw.json_text import quick_loads
from prefens.data.raw.table import RawTable
from prefens.data.readers.messages import UnreadableError, messages_of
from prefens.data.readers.rows import Vote, read_rows
from prefens.data.readers.sides import PROMPTS, Cells, join_sides, others_of

WORDS = "many responses, their scores, and the pairs of them to compare"
CONFLICTS, SCORES = "sampled_conflict_pairs", "scores"
RESPONSE = re.compile(r"response_[1-9]\d*")
EXPECTED = f"a prompt, response_1 and more, a score for each in {SCORES}, and places from 0 in {CONFLICTS}"


def columns(header: Sequence[str], labelled: bool) -> list[str]:
    """Return the columns that are read of a file with this header; none where it is in another format."""
    prompt = [name for name in PROMPTS if name in header][:1]
    responses = [name for name in header if RESPONSE.fullmatch(name)]
    if CONFLICTS not in header or not prompt or len(responses) < 2 or (labelled and SCORES not in header):
        return []
    return [*others_of(header, ()), *prompt, *responses, CONFLICTS, *([SCORES] if labelled else [])]


def read(table: RawTable, labelled: bool, strict: bool) -> LoadedPairs:
    """Return the pairs of raw columns; parameters and errors as in `load_pairs`. Equal pairs of a row count once."""
    return read_rows(_read, table, labelled, strict, EXPECTED)


def _read(cells: Cells, labelled: bool, repaired: Counter[str]) -> list[Vote]:
    prompt = messages_of(cells[next(name for name in PROMPTS if name in cells)], repaired, True)
    scores = [flag(score) for score in _list(cells, SCORES)] if labelled else None
    votes: dict[frozenset[int], Vote] = {}
    for pair in _list(cells, CONFLICTS):
        names = [f"response_{place + 1}" for place in _places(pair)]
        if not {*names} <= {*cells}:
            raise UnreadableError(f"{CONFLICTS} {shown(pair)}, expected places of two responses, from 0")
        sides = join_sides(prompt, *(messages_of(cells[name], repaired, False) for name in names))
        label = None if scores is None else _label(pair, scores)
        suffix = "-".join(["", *(name.removeprefix("response_") for name in names)])
        votes.setdefault(frozenset(pair), Vote(*sides, label, drawn=True, suffix=suffix))
    return [*votes.values()]


def _list(cells: Cells, name: str) -> list[Any]:
    """Return the list in a cell, which is a JSON text where the file has no lists."""
    value = cells[name]
    try:
        value = quick_loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{name}: {shown(value)} ({error}), expected a list") from error
    if not isinstance(value, list):
        raise UnreadableError(f"{name}: {shown(value)}, expected a list")
    return value


def _places(pair: Any) -> list[int]:
    whole = isinstance(pair, list) and all(type(place) is int for place in pair)
    if not whole or len({*pair}) != 2 or len(pair) != 2:
        raise UnreadableError(f"{CONFLICTS} {shown(pair)}, expected two places")
    return [*pair]


def _label(pair: Sequence[int], scores: Sequence[float]) -> Outcome:
    first, second = (scores[place] if place < len(scores) else math.nan for place in pair)
    if not first != second or math.isnan(first - second):
        raise UnreadableError(f"{SCORES} {first:g} and {second:g} of {shown(pair)}, expected two different numbers")
    return Outcome.A_WINS if first > second else Outcome.B_WINS
