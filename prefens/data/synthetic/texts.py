"""The words of the synthetic pairs, from JSON files beside this one: one per topic and one per language."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@cache
def load_texts(name: str) -> dict[str, Any]:
    """Return the content of NAME.json, its lists as tuples."""
    texts: dict[str, Any] = json.loads(Path(__file__).with_name(f"{name}.json").read_text("utf-8"))
    return {key: _frozen(value) for key, value in texts.items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@dataclass(frozen=True)
class Voice:
    """The phrases of one language; each is a whole sentence.

    Attributes
    ----------
    openers, closers, follow_ups : tuple of str
        What people write before and after a question, and before a second question.
    greetings, closings : tuple of str
        How an answer may begin and end, without effect on its quality.
    hedges, rude, again : tuple of str
        Doubt, bad manners, and the beginnings of repeated sentences.
    apology : str
        The heading of a refusal.
    refusals, reasons : tuple of str
        The key sentences and the further sentences of a refusal.
    """

    openers: tuple[str, ...]
    closers: tuple[str, ...]
    follow_ups: tuple[str, ...]
    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    hedges: tuple[str, ...]
    rude: tuple[str, ...]
    again: tuple[str, ...]
    apology: str
    refusals: tuple[str, ...]
    reasons: tuple[str, ...]


@cache
def load_voice(language: str) -> Voice:
    """Return the voice of "english", "spanish", "french" or "german"."""
    return Voice(**load_texts(language)["voice"])


ENGLISH = load_voice("english")
SLOTS: dict[str, tuple[str, ...]] = load_texts("english")["slots"]  # what may replace the {slots} of templates
