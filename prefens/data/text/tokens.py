"""Tokens of pairs: prompt and response, with the special tokens that the tokenizer itself puts around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import BackboneError
from prefens.core.types import PairFeatures, Pairs, Strings
from prefens.data.text.settings import TextSettings
from prefens.data.text.truncation import Tokens, TruncationAudit, cut, cut_pair
from prefens.data.text.turns import joined

TEXTS_AT_ONCE = 1000  # that the tokenizer gets in one call


@dataclass(frozen=True)
class Pattern:
    """The special tokens around parts, such as [CLS] x [SEP] y [SEP].

    Attributes
    ----------
    before, between, after : tuple of int
        Token ids before the first part, between two parts, and after the last part.
    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of special tokens around two parts."""
        return self.around(2)

    def around(self, parts: int) -> int:
        """Return the number of special tokens around that many parts."""
        return len(self.before) + (parts - 1) * len(self.between) + len(self.after)


def learn_pattern(tokenizer: Any) -> Pattern:
    """Return the tokenizer's pattern for a pair of texts; BERT, RoBERTa, XLM-R and DeBERTa differ.

    Raises
    ------
    BackboneError
        Where the tokenizer changes the tokens of a text in a pair.
    """
    first, second = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("one", "two two"))
    pair_tokens = list(tokenizer("one", "two two")["input_ids"])
    for start in range(len(pair_tokens)):
        if pair_tokens[start : start + len(first)] == first:
            rest = pair_tokens[start + len(first) :]
            for gap in range(len(rest) + 1):
                if rest[gap : gap + len(second)] == second:
                    return Pattern(tuple(pair_tokens[:start]), tuple(rest[:gap]), tuple(rest[gap + len(second) :]))
    raise BackboneError(
        f"the tokenizer makes {pair_tokens} of a pair",
        "both texts' own tokens with special ones around",
        "use a fast tokenizer",
    )


@dataclass(frozen=True, eq=False)
class Sequences:
    """n token sequences, end to end.

    Attributes
    ----------
    tokens : array of int32, shape (t,)
        All tokens.
    starts : array of int64, shape (n + 1,)
        Where each sequence begins; the last entry is t.
    firsts : array of int64, shape (n,)
        The length of the first segment of each sequence.
    """

    tokens: Tokens
    starts: NDArray[np.int64]
    firsts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.firsts)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The length of each sequence, (n,)."""
        return np.diff(self.starts)

    def __getitem__(self, index: int) -> Tokens:
        return self.tokens[self.starts[index] : self.starts[index + 1]]


@dataclass(frozen=True, eq=False)
class PairTokens:
    """The two sequences of each pair.

    Attributes
    ----------
    a, b : Sequences
        Prompt + A and prompt + B; for a cross encoder prompt + A + B and prompt + B + A.
    audit : TruncationAudit
        What truncation cost.
    style : PairFeatures or None
        Scaled style features, where a head reads them.
    """

    a: Sequences
    b: Sequences
    audit: TruncationAudit
    style: PairFeatures | None = None


def tokenize_pairs(
    tokenizer: Any,
    pairs: Pairs,
    settings: TextSettings,
    prompt_prefix: str,
    response_prefix: str,
    cross: bool = False,
) -> PairTokens:
    """Tokenize all pairs, each text once.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        A fast one.
    pairs : Pairs
        n pairs.
    settings : TextSettings
        How texts are cut.
    prompt_prefix, response_prefix : str
        What some backbones expect before a text.
    cross : bool
        Whether a sequence holds the prompt and both responses, in both orders, rather than one response.

    Raises
    ------
    BackboneError
        Where the tokenizer has no pattern for pairs, or with `cross` no separator.
    """
    prompts = _tokenize(tokenizer, pairs.prompt, prompt_prefix)
    responses = [_tokenize(tokenizer, column, response_prefix) for column in (pairs.response_a, pairs.response_b)]
    pattern, audit = learn_pattern(tokenizer), TruncationAudit({}, {})
    if cross and not pattern.between:
        raise BackboneError(
            "the tokenizer puts nothing between two texts",
            "a separator, without which the responses of a cross encoder run into each other",
            "set pairing=siamese, or take a backbone whose tokenizer has one",
        )
    room = settings.max_length - pattern.around(3 if cross else 2)
    if cross:
        texts = zip(prompts, *responses, strict=True)
        triples = [cut_pair(prompt, a, b, room, settings, audit) for prompt, a, b in texts]
        orders = [_assemble(triples, pattern), _assemble([(prompt, b, a) for prompt, a, b in triples], pattern)]
    else:
        orders = [
            _assemble([cut(*parts, room, settings, audit) for parts in zip(prompts, side, strict=True)], pattern)
            for side in responses
        ]
    return PairTokens(orders[0], orders[1], audit)


def _tokenize(tokenizer: Any, column: Strings, prefix: str) -> list[Tokens]:
    """Return the tokens of each text. The name of a special token in a text, such as "[SEP]", is plain text."""
    texts = [prefix + joined(turns) for turns in column]
    unknown = tokenizer.unk_token_id
    reserved = [] if unknown is None else sorted({*tokenizer.all_special_ids} - {unknown})
    tokens: list[Tokens] = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        chunk = texts[start : start + TEXTS_AT_ONCE]
        encoded = tokenizer(
            chunk, add_special_tokens=False, split_special_tokens=True, return_attention_mask=False, verbose=False
        )
        for ids in encoded["input_ids"]:
            text_tokens = np.array(ids, dtype=np.int32)
            # Unigram models (XLM-R, DeBERTa-v3) have the names among their pieces, and use these for plain text too.
            if reserved:
                text_tokens[np.isin(text_tokens, reserved)] = unknown
            tokens.append(text_tokens)
    return tokens


def _assemble(rows: Sequence[tuple[Tokens, ...]], pattern: Pattern) -> Sequences:
    """Put the pattern around each row's parts; the last part is the second segment."""
    before, between, after = (np.array(ids, dtype=np.int32) for ids in (pattern.before, pattern.between, pattern.after))
    pieces = [piece for parts in rows for piece in _framed(parts, before, between, after)]
    lengths = np.array([pattern.around(len(parts)) + sum(map(len, parts)) for parts in rows], dtype=np.int64)
    # The token right after the last part but one closes the first segment ([SEP]); a second separator opens the next.
    opening = len(pattern.after) + max(0, len(pattern.between) - 1)
    firsts = lengths - np.array([opening + len(parts[-1]) for parts in rows], dtype=np.int64)
    tokens = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int32)
    return Sequences(tokens, np.concatenate([[0], np.cumsum(lengths)]), firsts)


def _framed(parts: tuple[Tokens, ...], before: Tokens, between: Tokens, after: Tokens) -> list[Tokens]:
    first, *others = parts
    return [before, first, *(piece for part in others for piece in (between, part)), after]
