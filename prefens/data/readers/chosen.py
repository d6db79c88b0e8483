"""A chosen and a rejected response: TRL's format, RewardBench, Skywork, HH. The sides are drawn by a hash of the id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from prefens.core.types import Outcome
from prefens.data.loaded import LoadedPairs
from prefens.data.raw.table import RawTable
from prefens.data.readers.messages import Message, Turns, UnreadableError, messages_of
from prefens.data.readers.rows import Vote, read_rows
from prefens.data.readers.sides import PROMPTS, Cells, join_sides, models_of, others_of
from prefens.data.text.turns import TURN_SEPARATOR

WORDS = "a chosen and a rejected response, as texts or messages, with the prompt or a common beginning"
SIDES = ("chosen", "rejected")
MODELS = ("chosen_model", "rejected_model")
EXPECTED = "a chosen and a rejected response, as texts or messages, and a prompt or a common beginning"


def columns(header: Sequence[str], labelled: bool) -> list[str]:
    """Return the columns that are read of a file with this header; none where it is in another format."""
    if not {*SIDES} <= {*header}:
        return []
    prompt = [name for name in PROMPTS if name in header][:1]
    return [*others_of(header, MODELS if labelled else ()), *SIDES, *prompt]


def read(table: RawTable, labelled: bool, strict: bool) -> LoadedPairs:
    """Return the pairs of raw columns; parameters and errors as in `load_pairs`. Lists give all their pairs."""
    return read_rows(_read, table, labelled, strict, EXPECTED)


def _read(cells: Cells, labelled: bool, repaired: Counter[str]) -> list[Vote]:
    label, models = Outcome.A_WINS if labelled else None, models_of(cells, MODELS)
    pairs = pairs_of(cells, repaired)
    return [Vote(*turns, label, models, drawn=True, suffix=suffix) for suffix, turns in pairs]


def pairs_of(cells: Cells, repaired: Counter[str]) -> Iterator[tuple[str, tuple[Turns, Turns, Turns]]]:
    """Yield what the id of each pair ends in, and the turns of prompt, chosen and rejected response."""
    chosen, rejected = (_responses(cells, name) for name in SIDES)
    several = len(chosen) > 1 or len(rejected) > 1
    prompt = [name for name in PROMPTS if name in cells]
    for place, one in enumerate(chosen, start=1):
        for other_place, other in enumerate(rejected, start=1):
            sides = messages_of(one, repaired, False), messages_of(other, repaired, False)
            turns = join_sides(messages_of(cells[prompt[0]], repaired, True), *sides) if prompt else _split(*sides)
            yield f"-{place}-{other_place}" if several else "", turns


def _responses(cells: Cells, name: str) -> list[Any]:
    """Return the responses in a cell: its items where they are texts or lists of messages."""
    value = cells[name]
    if value == []:
        raise UnreadableError(f"{name}: an empty list, expected a response")
    if isinstance(value, list) and all(isinstance(item, str | list | None) for item in value):
        return value
    return [value]


def _split(chosen: Sequence[Message], rejected: Sequence[Message]) -> tuple[Turns, Turns, Turns]:
    """Return the turns of responses whose prompt is their common beginning; UnreadableError where there is none."""
    if len(chosen) == len(rejected) == 1 and not chosen[0][0]:
        return _split_texts(chosen[0][1], rejected[0][1])
    start = [one for one, _ in takewhile(lambda both: both[0] == both[1], zip(chosen, rejected, strict=False))]
    if not any(is_prompt for is_prompt, _ in start):
        raise UnreadableError("no prompt, and no common beginning of chosen and rejected, expected one of them")
    if [role for role, _ in chosen] == [role for role, _ in rejected]:
        return join_sides([], chosen, rejected)
    rests = [TURN_SEPARATOR.join(text for _, text in side[len(start) :]) for side in (chosen, rejected)]
    return join_sides([], [*start, (False, rests[0])], [*start, (False, rests[1])])


def _split_texts(chosen: str, rejected: str) -> tuple[Turns, Turns, Turns]:
    """Cut two texts where the last word that they share ends."""
    shared = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(chosen, rejected, strict=False)))
    common = chosen[:shared]
    start = next((place for place in range(shared, 0, -1) if common[place - 1].isspace()), 0)
    if not common[:start].strip() or chosen == rejected:
        came = "equal texts" if chosen == rejected else "no common beginning of chosen and rejected"
        raise UnreadableError(f"no prompt, and {came}, expected a prompt")
    return (common[:start].rstrip(),), (chosen[start:],), (rejected[start:],)
