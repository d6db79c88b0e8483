"""Two answers to each prompt, compared: by the blend, by each member, and in style."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from prefens.core.errors import DataError, printable
from prefens.core.types import Pairs
from prefens.data.candidates import Candidates, make_candidates
from prefens.data.raw.read import read_table
from prefens.data.text.style_differences import STYLE_DIFFERENCES, style_differences
from prefens.inference.predictor import Predictor
from prefens.inference.scorer import member_predictor

STDIN = "-"
OUTCOMES = ("A wins", "B wins", "tie")  # in the order of `Outcome`
WORDS = dict(zip(STYLE_DIFFERENCES, ("words", "headings", "bold", "list items"), strict=True))
SIDES = (("a", "b"), ("response_a", "response_b"))


@dataclass(frozen=True)
class Comparison:
    """Two answers to a prompt, compared.

    Attributes
    ----------
    id : str
        The row's own id, or its number from 1.
    probabilities : list of K floats
        Of A wins, B wins and tie, by the blend.
    members : mapping of str to list of K floats
        The same by each member that has a weight.
    style : mapping of str to float
        The differences (a - b) / (a + b), in [-1, 1], in words, headings, bold parts and list items; positive where A
        has more. Without those that are 0.
    problem : str
        Why the row can't be compared; "" where it can.
    """

    id: str
    probabilities: list[float] = field(default_factory=list)
    members: Mapping[str, list[float]] = field(default_factory=dict)
    style: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""

    def as_text(self, method: str) -> str:
        """Return lines for people; `method` is what the blend is called."""
        if self.problem:
            return printable(f"{self.id}: not compared: {self.problem}")
        lines = [f"{self.id}: {in_words(self.probabilities)} ({method})"]
        lines += [f"  {in_words(own)} ({name})" for name, own in self.members.items() if len(self.members) > 1]
        parts = [f"{WORDS[name]} {'A' if value > 0 else 'B'} {abs(value):.0%}" for name, value in self.style.items()]
        return printable("\n".join([*lines, f"  more: {', '.join(parts) or 'neither, in length or layout'}"]))


def in_words(probabilities: Sequence[float]) -> str:
    """Return K probabilities as text."""
    return ", ".join(f"{name} {value:.1%}" for name, value in zip(OUTCOMES, probabilities, strict=False))


def read_comparisons(path: str) -> list[Candidates]:
    """Read rows of prompt, a and b (or response_a and response_b) from a file of any type, or from stdin for "-".

    Raises
    ------
    DataError
        Where the file can't be read, or where a column is missing.
    """
    if path == STDIN:
        with tempfile.TemporaryDirectory() as folder:
            (file := Path(folder) / "stdin").write_bytes(sys.stdin.buffer.read())
            return read_comparisons(str(file))
    table = read_table(Path(path), ["prompt"], ["id", *(name for sides in SIDES for name in sides)])
    sides = next((sides for sides in SIDES if {*sides} <= {*table.columns}), None)
    if sides is None:
        raise DataError(f"columns {', '.join(table.header)[:300]}", "prompt, a and b", "rename or add the columns")
    columns = {name: list(table.pop(name)) for name in [*table.columns]}
    rows = []
    for row in range(table.rows):
        own = columns["id"][row] if "id" in columns else None
        id_ = str(row + 1 if own is None else own)
        if row in table.broken:
            rows.append(Candidates(id_, None, problem=table.broken[row]))
        else:
            rows.append(make_candidates(id_, columns["prompt"][row], [columns[name][row] for name in sides]))
    return rows


def compare_rows(predictor: Predictor, rows: Sequence[Candidates]) -> list[Comparison]:
    """Return the comparison of each row, in order; rows with a problem keep it."""
    answers = [row.answers for row in rows if row.answers is not None]
    if not answers:
        return [Comparison(row.id, problem=row.problem) for row in rows]
    both = Pairs.concatenate(answers)
    first, second = np.arange(0, len(both), 2), np.arange(1, len(both), 2)
    ids = np.array([str(row) for row in range(len(first))], dtype=object)
    pairs = Pairs(ids, both.prompt[first], both.response_a[first], both.response_a[second])
    blended = predictor.predict_pairs(pairs)
    by_member = {name: member_predictor(predictor, name).predict_pairs(pairs) for name in predictor.used}
    style = style_differences(pairs)
    place = iter(range(len(first)))
    done = []
    for row in rows:
        if row.answers is None:
            done.append(Comparison(row.id, problem=row.problem))
            continue
        here = next(place)
        differences = {name: float(value) for name, value in zip(STYLE_DIFFERENCES, style[here], strict=True) if value}
        members = {name: own[here].tolist() for name, own in by_member.items()}
        done.append(Comparison(row.id, blended[here].tolist(), members, differences))
    return done
