"""Tokens of pairs: prompt and response in the pattern of special tokens that the tokenizer itself uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.errors import BackboneError
from prefens.records import Pairs, Strings
from prefens.text.conversation import joined
from prefens.text.settings import TextSettings
from prefens.text.truncation import Audit, Tokens, cut

CHUNK = 1000  # texts handed to the tokenizer at once


@dataclass(frozen=True)
class Pattern:
    """The special tokens around two parts, such as [CLS] x [SEP] y [SEP], learned from the tokenizer."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def size(self) -> int:
        return len(self.before) + len(self.between) + len(self.after)


def learn_pattern(tokenizer: Any) -> Pattern:
    """Return the tokenizer's pattern for a pair of texts (BERT, RoBERTa, XLM-R and DeBERTa differ)."""
    first, second = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("one", "two two"))
    whole = list(tokenizer("one", "two two")["input_ids"])
    for start in range(len(whole)):
        if whole[start : start + len(first)] == first:
            rest = whole[start + len(first) :]
            for gap in range(len(rest) + 1):
                if rest[gap : gap + len(second)] == second:
                    return Pattern(tuple(whole[:start]), tuple(rest[:gap]), tuple(rest[gap + len(second) :]))
    raise BackboneError(
        f"the tokenizer makes {whole} of a pair",
        "both texts' own tokens with special ones around",
        "use a fast tokenizer",
    )


@dataclass(frozen=True, eq=False)
class Sequences:
    """n token sequences, end to end.

    Attributes
    ----------
    tokens : all tokens; starts : (n + 1,) where each sequence begins; seconds : (n,) length of the first segment.
    """

    tokens: Tokens
    starts: NDArray[np.int64]
    firsts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.firsts)

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def __getitem__(self, index: int) -> Tokens:
        return self.tokens[self.starts[index] : self.starts[index + 1]]


@dataclass(frozen=True, eq=False)
class PairTokens:
    """The sequences prompt + A and prompt + B of each pair, and what truncation cost."""

    a: Sequences
    b: Sequences
    audit: Audit


def tokenize_pairs(
    tokenizer: Any, pairs: Pairs, settings: TextSettings, prompt_prefix: str, response_prefix: str
) -> PairTokens:
    """Tokenize both sides of all pairs; every text is tokenized once, the prompts serve both sides."""
    prompts = _tokenize(tokenizer, pairs.prompt, prompt_prefix)
    pattern, audit = learn_pattern(tokenizer), Audit({}, {})
    room = settings.max_length - pattern.size
    sides = []
    for column in (pairs.response_a, pairs.response_b):
        responses = _tokenize(tokenizer, column, response_prefix)
        parts = [
            cut(prompt, response, room, settings, audit) for prompt, response in zip(prompts, responses, strict=True)
        ]
        sides.append(_assemble(parts, pattern))
    return PairTokens(sides[0], sides[1], audit)


def _tokenize(tokenizer: Any, column: Strings, prefix: str) -> list[Tokens]:
    """Return each text's tokens. A special token's name in a text, such as "[SEP]", is text like any other."""
    texts = [prefix + joined(turns) for turns in column]
    unknown = tokenizer.unk_token_id
    reserved = [] if unknown is None else sorted({*tokenizer.all_special_ids} - {unknown})
    tokens: list[Tokens] = []
    for start in range(0, len(texts), CHUNK):
        chunk = texts[start : start + CHUNK]
        encoded = tokenizer(
            chunk, add_special_tokens=False, split_special_tokens=True, return_attention_mask=False, verbose=False
        )
        for ids in encoded["input_ids"]:
            found = np.array(ids, dtype=np.int32)
            # Unigram models (XLM-R, DeBERTa-v3) have the names among their pieces and find them in plain text too.
            if reserved:
                found[np.isin(found, reserved)] = unknown
            tokens.append(found)
    return tokens


def _assemble(parts: list[tuple[Tokens, Tokens]], pattern: Pattern) -> Sequences:
    before, between, after = (np.array(ids, dtype=np.int32) for ids in (pattern.before, pattern.between, pattern.after))
    pieces = [piece for prompt, response in parts for piece in (before, prompt, between, response, after)]
    lengths = np.array([pattern.size + len(prompt) + len(response) for prompt, response in parts], dtype=np.int64)
    # The token right after the prompt closes the first segment ([SEP]); a second separator opens the next.
    closing = min(1, len(pattern.between))
    firsts = np.array([len(before) + len(prompt) + closing for prompt, _ in parts], dtype=np.int64)
    tokens = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int32)
    return Sequences(tokens, np.concatenate([[0], np.cumsum(lengths)]), firsts)
