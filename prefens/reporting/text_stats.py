"""What the data study and the bias audit count in texts, in one pass: shared out over cores, once for a data set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.feature_cache import cached_features
from prefens.core.parallel import map_chunks
from prefens.core.types import Floats, Ints, Pairs, Strings
from prefens.data.text.style_counts import EDGE, LAYOUT, SCRIPTS, WORD, character_counts, layout_counts, normalize
from prefens.reporting.bias.model_families import own_names
from prefens.reporting.language_id import LANGUAGES, language, main_script

CHUNK = 4000  # texts per piece of parallel work
COLUMNS = (
    "turns", "chars", "words", "lists", "headings", "bold", "code_blocks", "refusals", "as_ai", "own_name", "praise",
    "blank_turns", "script", "language",
)  # fmt: skip
PARTS = ("prompt", "response_a", "response_b")
# In texts in lower case without apostrophes; a refusal is looked for at the start of a turn only.
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
FIRST_PERSON = ("i am ", " im ", "my answer", "my response")  # what PRAISE finds has one of these, after a space
LISTS = tuple(LAYOUT.index(name) for name in ("bullets", "numbered"))
HEADINGS, BOLD, CODE = (LAYOUT.index(name) for name in ("headings", "bold", "code_blocks"))


@dataclass(frozen=True, eq=False)
class Reading:
    """(3, n, len(COLUMNS)) int64 counts: of prompts, of responses A and of responses B."""

    values: Ints

    def of(self, part: int, name: str) -> Ints:
        """Return one column, (n,), of the part 0 prompt, 1 response A or 2 response B."""
        column: Ints = self.values[part, :, COLUMNS.index(name)]
        return column

    def responses(self, name: str) -> tuple[Ints, Ints]:
        """Return the columns of A and of B, each (n,)."""
        return self.of(1, name), self.of(2, name)

    def log_ratio(self) -> Floats:
        """Return (n,) natural logarithms of the ratio of words, A to B; an empty response counts as one word."""
        a, b = (np.log(np.maximum(side, 1)) for side in self.responses("words"))
        ratio: Floats = a - b
        return ratio

    def spoken(self) -> Strings:
        """Return (n,) the languages of the prompts."""
        return np.array(LANGUAGES, dtype=object)[self.of(0, "language")]

    def take(self, rows: NDArray[Any] | slice) -> Reading:
        """Return the reading of the pairs at `rows`."""
        return replace(self, values=self.values[:, rows])


def read_pairs(pairs: Pairs) -> Reading:
    """Return what `COLUMNS` names of all texts; rows depend on their own texts and model names only."""
    found, rows = cached_features(pairs, "reading of texts", _read_all)
    return found.take(rows)


def _read_all(pairs: Pairs) -> Reading:
    nobody = [""] * len(pairs)
    models = (nobody, *(nobody if model is None else model for model in (pairs.model_a, pairs.model_b)))
    columns = (pairs.prompt, pairs.response_a, pairs.response_b)
    texts = [item for column, names in zip(columns, models, strict=True) for item in zip(column, names, strict=True)]
    parts = map_chunks(read_texts, texts, CHUNK)
    return Reading(np.concatenate(parts).reshape(len(PARTS), len(pairs), len(COLUMNS)))


def read_texts(texts: Sequence[tuple[tuple[str, ...], str]]) -> Ints:
    """Return (m, len(COLUMNS)) counts of m texts, each with the name of the model that wrote it, or ""."""
    return np.array([_read(turns, model) for turns, model in texts], dtype=np.int64).reshape(-1, len(COLUMNS))


def count_words(text: str) -> int:
    """Return the words between spaces; where a script has no spaces, its characters."""
    return len(text.split()) if text.isascii() else len(WORD.findall(text))


def _read(turns: tuple[str, ...], model: str) -> tuple[int, ...]:
    text = "\n\n".join(turns)
    looks, letters, lower = layout_counts(text), character_counts(text)[: len(SCRIPTS)], normalize(text)
    words = own_names(model)
    named = any(word in lower for word in words) and re.search(rf"\b(?:{'|'.join(words)})\b", lower) is not None
    refused = any(REFUSAL.search(normalize(turn[:EDGE])) for turn in turns)
    praise = any(phrase in f" {lower}" for phrase in FIRST_PERSON) and PRAISE.search(lower) is not None
    return (
        len(turns), len(text), count_words(text), sum(looks[place] for place in LISTS), looks[HEADINGS], looks[BOLD],
        looks[CODE], refused, any(phrase in lower for phrase in AS_AI), named, praise,
        sum(not turn.strip() for turn in turns), main_script(letters), language(text, letters),
    )  # fmt: skip
