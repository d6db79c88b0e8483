"""Counts in texts for the data profile and the bias audit: one pass over all texts, on all cores, kept in memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.feature_cache import cached_features
from prefens.core.parallel import map_chunks
from prefens.core.types import Floats, Ints, Pairs
from prefens.data.text.style_counts import EDGE, LAYOUT, SCRIPTS, WORD, character_counts, layout_counts, normalize
from prefens.reporting.bias.model_families import own_names
from prefens.reporting.language_id import guess_language, main_script

CHUNK_TEXTS = 4000  # texts per piece of parallel work
COLUMNS = (
    "turns", "chars", "words", "lists", "headings", "bold", "code_blocks", "refusals", "as_ai", "own_name", "praise",
    "blank_turns", "script", "language",
)  # fmt: skip
PROMPT, RESPONSE_A, RESPONSE_B = range(3)
# These patterns are for texts in lower case without apostrophes; refusals are looked for at the start of turns.
REFUSAL = re.compile(
    r"\bi (?:can(?:not|t| not)|wont|will not|am (?:unable|not able)|(?:must|have to) decline)\b"
    r"|\bim (?:unable|not able)\b|\b(?:im|i am|im very|im really) (?:so )?sorry,? but\b|\bi apologi[sz]e,? but\b"
    r"|\bsorry, (?:but )?i\b|\bas an ai\b.{0,80}\b(?:cannot|cant|unable|not able|dont have)\b"
    r"|\bagainst my (?:guidelines|programming)\b|\b(?:no puedo|lo siento, pero|je ne peux pas|ne pas pouvoir)\b"
    r"|\b(?:kann ich (?:dir )?(?:leider )?nicht|leider nicht)\b"
)
AS_AI = ("as an ai", "language model", "im an ai", "i am an ai", "ai assistant", "im a chatbot", "i am a chatbot")
PRAISE = re.compile(
    r"\b(?:im|i am) (?:an? |the )?(?:\w+[ -]){0,2}?(?:best|powerful|advanced|capable|intelligent|sophisticated|expert|"
    r"knowledgeable|state-of-the-art|cutting-edge|helpful)\b"
    r"|\bmy (?:answer|response) is (?:better|best|correct|accurate)\b"
)
FIRST_PERSON = ("i am ", " im ", "my answer", "my response")  # every match of PRAISE has one of these, after a space
LISTS = tuple(LAYOUT.index(name) for name in ("bullets", "numbered"))
HEADINGS, BOLD, CODE = (LAYOUT.index(name) for name in ("headings", "bold", "code_blocks"))


@dataclass(frozen=True, eq=False)
class TextStats:
    """Counts in the texts of n pairs.

    Attributes
    ----------
    counts : ndarray of int64, shape (3, n, len(COLUMNS))
        Those of prompts, of responses A and of responses B. "script" and "language" are indices into SCRIPTS (-1 for
        no letters) and LANGUAGES.
    """

    counts: Ints

    def prompt(self, column: str) -> Ints:
        """Return a column of the prompts, shape (n,)."""
        return self._column(PROMPT, column)

    def responses(self, column: str) -> tuple[Ints, Ints]:
        """Return a column of responses A and of responses B, each of shape (n,)."""
        return self._column(RESPONSE_A, column), self._column(RESPONSE_B, column)

    def log_length_ratio(self) -> Floats:
        """Return the natural logarithm of A's words over B's, shape (n,); an empty response counts as one word."""
        a, b = (np.log(np.maximum(words, 1)) for words in self.responses("words"))
        ratio: Floats = a - b
        return ratio

    def take(self, rows: NDArray[Any] | slice) -> TextStats:
        """Return the counts of the pairs at `rows` (positions, booleans or a slice)."""
        return replace(self, counts=self.counts[:, rows])

    def _column(self, part: int, name: str) -> Ints:
        column: Ints = self.counts[part, :, COLUMNS.index(name)]
        return column


def text_stats(pairs: Pairs) -> TextStats:
    """Return the counts in all texts of pairs; a pair's depend on its own texts and model names only."""
    stats, rows = cached_features(pairs, "text stats", _count_pairs)
    return stats.take(rows)


def _count_pairs(pairs: Pairs) -> TextStats:
    no_models = [""] * len(pairs)
    models = (no_models, *(no_models if model is None else model for model in (pairs.model_a, pairs.model_b)))
    columns = (pairs.prompt, pairs.response_a, pairs.response_b)
    texts = [item for column, names in zip(columns, models, strict=True) for item in zip(column, names, strict=True)]
    chunks = map_chunks(count_texts, texts, CHUNK_TEXTS, "counting words")
    return TextStats(np.concatenate(chunks).reshape(len(columns), len(pairs), len(COLUMNS)))


def count_texts(texts: Sequence[tuple[tuple[str, ...], str]]) -> Ints:
    """Return the counts in m texts.

    Parameters
    ----------
    texts : sequence of (turns, model)
        The turns of each text, and the name of the model that wrote it, or "".

    Returns
    -------
    counts : ndarray of int64, shape (m, len(COLUMNS))
        One row a text.
    """
    return np.array([_count_text(turns, model) for turns, model in texts], dtype=np.int64).reshape(-1, len(COLUMNS))


def count_words(text: str) -> int:
    """Return the number of words between spaces; in a script without spaces, of its characters."""
    return len(text.split()) if text.isascii() else len(WORD.findall(text))


def _count_text(turns: tuple[str, ...], model: str) -> tuple[int, ...]:
    text = "\n\n".join(turns)
    marks, letters, lower = layout_counts(text), character_counts(text)[: len(SCRIPTS)], normalize(text)
    names = own_names(model)
    own_name = any(name in lower for name in names) and re.search(rf"\b(?:{'|'.join(names)})\b", lower) is not None
    refusal = any(REFUSAL.search(normalize(turn[:EDGE])) for turn in turns)
    praise = any(phrase in f" {lower}" for phrase in FIRST_PERSON) and PRAISE.search(lower) is not None
    return (
        len(turns), len(text), count_words(text), sum(marks[index] for index in LISTS), marks[HEADINGS], marks[BOLD],
        marks[CODE], refusal, any(phrase in lower for phrase in AS_AI), own_name, praise,
        sum(not turn.strip() for turn in turns), main_script(letters), guess_language(text, letters),
    )  # fmt: skip
