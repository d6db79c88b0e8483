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
from prefens.members.style import StyleMember

STDIN = "-"
OUTCOMES = ("A wins", "B wins", "tie")  # in the order of `Outcome`
WORDS = dict(zip(STYLE_DIFFERENCES, ("words", "headings", "bold", "list items"), strict=True))
SIDES = (("a", "b"), ("response_a", "response_b"))
SMALLEST, MOST = 0.05, 8  # contributions that are named: natural log odds, and how many of a member


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
    contributions : mapping of str to mapping of str to float
        Of each linear style member that has a weight: its features that speak for A (positive) or for B, in natural log
        odds, the strongest first; without small ones.
    problem : str
        Why the row can't be compared; "" where it can.
    """

    id: str
    probabilities: list[float] = field(default_factory=list)
    members: Mapping[str, list[float]] = field(default_factory=dict)
    style: Mapping[str, float] = field(default_factory=dict)
    contributions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    problem: str = ""

    def as_text(self, method: str) -> str:
        """Return lines for people; `method` is what the blend is called."""
        if self.problem:
            return printable(f"{self.id}: not compared: {self.problem}")
        lines = [f"{self.id}: {in_words(self.probabilities)} ({method})"]
        lines += [f"  {in_words(own)} ({name})" for name, own in self.members.items() if len(self.members) > 1]
        if self.contributions:
            lines += [f"  {_sides(own)} ({name}, log odds)" for name, own in self.contributions.items()]
        else:
            more = [f"{WORDS[name]} {'A' if value > 0 else 'B'} {abs(value):.0%}" for name, value in self.style.items()]
            lines.append(f"  more: {', '.join(more) or 'neither, in length or layout'}")
        return printable("\n".join(lines))


def in_words(probabilities: Sequence[float]) -> str:
    """Return K probabilities as text."""
    return ", ".join(f"{name} {value:.1%}" for name, value in zip(OUTCOMES, probabilities, strict=False))


def _sides(contributions: Mapping[str, float]) -> str:
    """Return the features that speak for A and for B as text."""
    parts = []
    for side, sign in (("A", 1), ("B", -1)):
        own = [f"{name} {abs(value):.2f}" for name, value in contributions.items() if value * sign > 0]
        parts += [f"for {side}: {', '.join(own).replace('_', ' ')}"] if own else []
    return "; ".join(parts) or "no feature of style speaks for either"


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
    (stacked,) = predictor.member_probabilities([pairs])  # predicted once: the blend is made of them
    blended, by_member = predictor.blend(stacked, pairs), dict(zip(predictor.members, stacked, strict=True))
    style, contributions = style_differences(pairs), style_contributions(predictor, pairs)
    place = iter(range(len(first)))
    done = []
    for row in rows:
        if row.answers is None:
            done.append(Comparison(row.id, problem=row.problem))
            continue
        here = next(place)
        differences = {name: float(value) for name, value in zip(STYLE_DIFFERENCES, style[here], strict=True) if value}
        members = {name: by_member[name][here].tolist() for name in predictor.used}
        speaking = {name: own[here] for name, own in contributions.items()}
        done.append(Comparison(row.id, blended[here].tolist(), members, differences, speaking))
    return done


def style_contributions(predictor: Predictor, pairs: Pairs) -> dict[str, list[dict[str, float]]]:
    """Return of each linear style member that has a weight what its features add to the log odds of A over B.

    They are means over its fold models; of each of n pairs, the strongest first, without small ones.
    """
    done = {}
    for spec in predictor.specs():
        if spec.kind != StyleMember.kind:
            continue
        models = [model.load() for group in member_predictor(predictor, spec.name).groups() for model in group]
        parts = [model.contributions(pairs) for model in models if isinstance(model, StyleMember)]
        linear = [part for part in parts if part is not None]
        if linear:
            names, values = linear[0][0], np.mean([own for _, own in linear], axis=0)
            order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :MOST]
            done[spec.name] = [
                {names[place]: float(row[place]) for place in places if abs(row[place]) >= SMALLEST}
                for row, places in zip(values, order, strict=True)
            ]
    return done
