"""Prompts with any number of answers to score: one row of a file each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prefens.core.errors import DataError
from prefens.core.types import Pairs
from prefens.data.frame import load_frame
from prefens.data.raw.json_text import quick_loads
from prefens.data.raw.read import read_table

COLUMNS = ("id", "responses", "chosen", "rejected")
SEQUENCES = (list, tuple, np.ndarray)  # pandas reads the lists of parquet files as arrays
SHAPES = "prompt with responses (a list), or with chosen and rejected (texts or lists)"


@dataclass(frozen=True, eq=False)
class Candidates:
    """A prompt with its answers.

    Attributes
    ----------
    id : str
        The row's own id, or its number from 1.
    answers : Pairs
        One pair for each of n answers: the prompt, and the answer as both responses.
    n_chosen : int or None
        How many of the first answers are the chosen ones, where the row says so.
    problem : str
        Why the row can't be scored; "" where it can.
    """

    id: str
    answers: Pairs | None
    n_chosen: int | None = None
    problem: str = ""


def read_candidates(path: Path) -> list[Candidates]:
    """Read prompts and answers from a file of any type.

    A prompt is a text or a list of turns, an answer likewise; there are as many turns in both. RewardBench 2's rows are
    read too: `chosen` and `rejected` are lists of answers.

    Raises
    ------
    DataError
        Where the file can't be read, or where no column holds answers.
    """
    table = read_table(path, ["prompt"], COLUMNS)
    if "responses" not in table.columns and not {"chosen", "rejected"} <= {*table.columns}:
        raise DataError(f"{path}: columns {', '.join(table.header)[:300]}", SHAPES, "rename or add the columns")
    columns = {name: list(table.pop(name)) for name in [*table.columns]}
    rows = []
    for row in range(table.rows):
        cells = {name: values[row] for name, values in columns.items()}
        id_ = str(cells.get("id") if cells.get("id") is not None else row + 1)
        if row in table.broken:
            rows.append(Candidates(id_, None, problem=table.broken[row]))
            continue
        if cells.get("responses") is not None:
            answers, n_chosen = as_list(cells["responses"]), None
        else:
            chosen, rejected = (as_list(cells.get(name)) for name in ("chosen", "rejected"))
            answers = None if chosen is None or rejected is None else [*chosen, *rejected]
            n_chosen = None if chosen is None else len(chosen)
        rows.append(make_candidates(id_, cells.get("prompt"), answers, n_chosen))
    return rows


def make_candidates(id_: str, prompt: Any, answers: Sequence[Any] | None, n_chosen: int | None = None) -> Candidates:
    """Return the candidates of one prompt; what can't be read has a `problem` and no answers."""
    if answers is None:
        return Candidates(id_, None, n_chosen, "no list of answers")
    if not answers:
        return Candidates(id_, None, n_chosen, "0 answers, expected 1 or more")
    turns = as_turns(prompt, any(isinstance(answer, SEQUENCES) for answer in answers))
    texts = [as_turns(answer, False) for answer in answers]
    frame = pd.DataFrame({"prompt": [turns] * len(texts), "response_a": texts, "response_b": texts}, dtype=object)
    loaded = load_frame(frame) if isinstance(turns, list) else None
    if loaded is None:
        return Candidates(id_, None, n_chosen, f"prompt: {type(prompt).__name__}, expected a text or a list of texts")
    if loaded.problems:
        place, problem = min(loaded.problems.items())
        problem = problem.replace("response_a", "it")
        return Candidates(id_, None, n_chosen, f"answer {place + 1} of {len(texts)}: {problem}")
    return Candidates(id_, loaded.pairs, n_chosen)


def as_list(cell: Any) -> list[Any] | None:
    """Return a cell that holds answers as a list; None where it holds none. CSV has lists as JSON texts."""
    if isinstance(cell, str):
        try:
            parsed = quick_loads(cell) if cell.lstrip().startswith("[") else None
        except (ValueError, RecursionError):
            parsed = None
        return parsed if isinstance(parsed, list) else [cell]
    return list(cell) if isinstance(cell, SEQUENCES) else None


def as_turns(cell: Any, parse: bool) -> Any:
    """Return a text as a list of one turn; a list of turns as it is, also one in a JSON text where `parse`."""
    if isinstance(cell, str):
        return (as_list(cell) or [cell]) if parse else [cell]
    return list(cell) if isinstance(cell, SEQUENCES) else cell
