"""Where the texts of a pair are: the columns of prompt and responses, and the turns in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from prefens.data.loaded import MODEL
from prefens.data.readers.messages import Message, Turns, UnreadableError, messages_of, turns_of

PROMPTS = ("prompt", "context", "question")
SIDES = (
    ("conversation_a", "conversation_b"),
    ("response_a", "response_b"),
    ("response_1", "response_2"),
    ("response1", "response2"),
    ("response_A", "response_B"),
)
IDS = ("id", "pair_id")  # each once
PROMPT_IDS = ("question_id", "prompt_id")  # of the row only where no other row has the same
LANGUAGE = "language"

Cells = Mapping[str, Any]


def sides_of(header: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of the two responses and, where these are no conversations, of the prompt; or none."""
    for sides in SIDES:
        if {*sides} <= {*header}:
            prompt = next((name for name in PROMPTS if name in header), None)
            if sides[0] == "conversation_a":
                return sides
            if prompt is not None:
                return (*sides, prompt)
    return ()


def others_of(header: Sequence[str], models: Sequence[str] = MODEL) -> list[str]:
    """Return the columns of id, models and language that there are."""
    ids = [name for name in (*IDS, *PROMPT_IDS) if name in header][:1]
    return [*ids, *(name for name in (*models, LANGUAGE) if name in header)]


def read_sides(cells: Cells, repaired: Counter[str]) -> tuple[Turns, Turns, Turns]:
    """Return the turns of prompt, response A and response B; UnreadableError where they don't belong together."""
    a, b, *prompts = sides_of([*cells])
    if prompts and all(_is_texts(cells[name]) for name in (a, b, *prompts)):
        prompt, response_a, response_b = (tuple(text or "" for text in cells[name]) for name in (*prompts, a, b))
        if not len(prompt) == len(response_a) == len(response_b):
            came = f"unequal turn counts: prompt {len(prompt)}, responses {len(response_a)} and {len(response_b)}"
            raise UnreadableError(f"{came}, expected the same number of turns in each")
        return prompt, response_a, response_b
    start = messages_of(cells[prompts[0]], repaired, prompt=True) if prompts else []
    return join_sides(start, messages_of(cells[a], repaired, False), messages_of(cells[b], repaired, False))


def join_sides(
    start: Sequence[Message], first: Sequence[Message], second: Sequence[Message]
) -> tuple[Turns, Turns, Turns]:
    """Return the turns of the prompt and of both responses: what follows `start`, or whole conversations."""
    whole = [bool(side) and side[0][0] for side in (first, second)]  # it begins with a prompt
    start_a, start_b = ([] if each else start for each in whole)
    prompt, response_a = turns_of([*start_a, *first])
    other, response_b = turns_of([*start_b, *second])
    if not prompt or not other:
        raise UnreadableError("a conversation without messages, expected a prompt and a response")
    if prompt != other:
        raise UnreadableError("the two sides have different prompts, expected the same messages of the user in both")
    return prompt, response_a, response_b


def models_of(cells: Cells, names: Sequence[str] = MODEL) -> tuple[str, str]:
    """Return the names of the models, "" where they are not known."""
    first, second = (str(cells.get(name) or "") for name in names)
    return first, second


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str | None) for item in value)
