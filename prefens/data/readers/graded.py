"""Grades of two responses, or ranks of several: HelpSteer3, UltraFeedback, Nectar. The sign is the winner, 0 a tie."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from prefens.core.types import Outcome
from prefens.data.cells import number, shown
from prefens.data.loaded import LoadedPairs
from prefens.data.raw.table import RawTable
from prefens.data.readers import chosen
from prefens.data.readers.messages import UnreadableError, messages_of
from prefens.data.readers.rows import TIE, Vote, read_rows
from prefens.data.readers.sides import PROMPTS, Cells, join_sides, models_of, others_of, read_sides, sides_of

WORDS = "scores or ranks: the sign of their difference is the winner, 0 a tie"
PREFERENCE = "overall_preference"  # below 0 where the first response is better
ANSWERS = "answers"  # objects with answer, model and rank, 1 for the best
SCORES = (("score_a", "score_b"), ("score_1", "score_2"), ("score1", "score2"), ("score_A", "score_B"))
CHOSEN_SCORES = ("score_chosen", "score_rejected")
EXPECTED = "a prompt, responses, and a finite number for overall_preference, for each score or for each rank"


def columns(header: Sequence[str], labelled: bool) -> list[str]:
    """Return the columns that are read of a file with this header; none where it is in another format."""
    names = {*header}
    prompts = [name for name in PROMPTS if name in header][:1]
    if {*CHOSEN_SCORES, *chosen.SIDES} <= names:
        return [*chosen.columns(header, labelled), *CHOSEN_SCORES]
    if ANSWERS in names and prompts:
        return [*others_of(header, ()), ANSWERS, *prompts]
    grades = [(PREFERENCE,)] if PREFERENCE in names else [pair for pair in SCORES if {*pair} <= names]
    sides = sides_of(header)
    return [*others_of(header), *sides, *grades[0]] if sides and grades else []


def read(table: RawTable, labelled: bool, strict: bool) -> LoadedPairs:
    """Return the pairs of raw columns; parameters and errors as in `load_pairs`. Of ranks, every two answers."""
    return read_rows(_read, table, labelled, strict, EXPECTED)


def _read(cells: Cells, labelled: bool, repaired: Counter[str]) -> list[Vote]:
    if ANSWERS in cells:
        return _ranked(cells, labelled, repaired)
    if CHOSEN_SCORES[0] in cells:
        grades = [_grade(cells, name) for name in CHOSEN_SCORES]
        label, tie = _label(grades[0] - grades[1], labelled)
        models, pairs = models_of(cells, chosen.MODELS), chosen.pairs_of(cells, repaired)
        return [Vote(*turns, label, models, tie, drawn=True, suffix=suffix) for suffix, turns in pairs]
    if PREFERENCE in cells:
        sign = -_grade(cells, PREFERENCE)
    else:
        first, second = next(pair for pair in SCORES if pair[0] in cells)
        sign = _grade(cells, first) - _grade(cells, second)
    label, tie = _label(sign, labelled)
    return [Vote(*read_sides(cells, repaired), label, models_of(cells), tie)]


def _ranked(cells: Cells, labelled: bool, repaired: Counter[str]) -> list[Vote]:
    prompt = messages_of(cells[next(name for name in PROMPTS if name in cells)], repaired, True)
    answers = cells[ANSWERS]
    if not isinstance(answers, list) or len(answers) < 2 or not all(isinstance(each, dict) for each in answers):
        raise UnreadableError(f"{ANSWERS}: {shown(answers)}, expected two objects or more with answer and rank")
    votes = []
    for (place, one), (other_place, other) in combinations(enumerate(answers, start=1), 2):
        label, tie = _label(_grade(other, "rank") - _grade(one, "rank"), labelled)
        sides = (messages_of(each.get("answer"), repaired, False) for each in (one, other))
        models = (str(one.get("model") or ""), str(other.get("model") or ""))
        suffix = f"-{place}-{other_place}"
        votes.append(Vote(*join_sides(prompt, *sides), label, models, tie, drawn=True, suffix=suffix))
    return votes


def _label(sign: float, labelled: bool) -> tuple[Outcome | None, str]:
    """Return the outcome of a difference, above 0 where A is better, and the kind of a tie."""
    if not labelled:
        return None, ""
    if sign == 0:
        return Outcome.TIE, TIE
    return (Outcome.A_WINS if sign > 0 else Outcome.B_WINS), ""


def _grade(cells: Any, name: str) -> float:
    value = number(cells.get(name))
    if not math.isfinite(value):
        raise UnreadableError(f"{name} {shown(cells.get(name))}, expected a finite number")
    return value
