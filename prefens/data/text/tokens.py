"""Tokens of pairs: prompt and response, with the special tokens that the tokenizer itself puts around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import ConfigError
from prefens.core.types import PairFeatures, Pairs, Strings
from prefens.data.text.frames import Frame, make_frame
from prefens.data.text.settings import TextSettings
from prefens.data.text.truncation import NO_MARK, NO_TURNS, Text, Tokens, TruncationAudit, cut, cut_pair
from prefens.data.text.turns import TURN_SEPARATOR, joined

TEXTS_AT_ONCE = 1000  # that the tokenizer gets in one call
ELLIPSIS = " ... "  # of a template, in place of what is cut out of a part
MIN_ROOM = 4  # tokens of the parts of a sequence


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
    BackboneError, ConfigError
        As `make_frame`.
    """
    frame, audit = make_frame(tokenizer, settings.template, cross), TruncationAudit({}, {})
    mark, by_turn = (
        NO_MARK,
        not settings.template.is_default,
    )  # else tokens are as they were before there were templates
    prompts = _tokenize(tokenizer, pairs.prompt, prompt_prefix, by_turn)
    columns = (pairs.response_a, pairs.response_b)
    responses = [_tokenize(tokenizer, column, response_prefix, by_turn) for column in columns]
    if by_turn:
        mark = np.array(tokenizer(ELLIPSIS, add_special_tokens=False)["input_ids"], dtype=np.int32)
    room = _room(settings, frame.around(3 if cross else 2))
    if cross:
        texts = zip(prompts, *responses, strict=True)
        triples = [cut_pair(prompt, a, b, room, settings, audit, mark) for prompt, a, b in texts]
        orders = [_assemble(triples, frame), _assemble([(prompt, b, a) for prompt, a, b in triples], frame)]
    else:
        orders = [
            _assemble([cut(*parts, room, settings, audit, mark) for parts in zip(prompts, side, strict=True)], frame)
            for side in responses
        ]
    return PairTokens(orders[0], orders[1], audit)


def _room(settings: TextSettings, around: int) -> int:
    """Return the tokens of a sequence that are left for its parts; ConfigError where these are too few."""
    room = settings.max_length - around
    if room < MIN_ROOM:
        came = f"text.max_length={settings.max_length}, of which the template takes {around}"
        raise ConfigError(came, f"{MIN_ROOM} tokens or more for the texts", f"set text.max_length={around + 200}")
    return room


def _tokenize(tokenizer: Any, column: Strings, prefix: str, by_turn: bool) -> list[Text]:
    """Return the tokens of each text. The name of a special token in a text, such as "[SEP]", is plain text."""
    unknown = tokenizer.unk_token_id
    reserved = [] if unknown is None else sorted({*tokenizer.all_special_ids} - {unknown})
    texts: list[Text] = []
    for start in range(0, len(column), TEXTS_AT_ONCE):
        chunk = column[start : start + TEXTS_AT_ONCE]
        encoded = tokenizer(
            [prefix + joined(turns) for turns in chunk], add_special_tokens=False, split_special_tokens=True,
            return_attention_mask=False, return_offsets_mapping=by_turn, verbose=False,
        )  # fmt: skip
        for row, (ids, turns) in enumerate(zip(encoded["input_ids"], chunk, strict=True)):
            tokens = np.array(ids, dtype=np.int32)
            # Unigram models (XLM-R, DeBERTa-v3) have the names among their pieces, and use these for plain text too.
            if reserved:
                tokens[np.isin(tokens, reserved)] = unknown
            offsets = encoded["offset_mapping"][row] if by_turn and len(turns) > 1 else None
            texts.append(Text(tokens, NO_TURNS if offsets is None else _turn_starts(turns, prefix, offsets)))
    return texts


def _turn_starts(turns: Sequence[str], prefix: str, offsets: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Return the first token of each turn after the first, by the characters that each token stands for."""
    starts = len(prefix) + np.cumsum([len(turn) + len(TURN_SEPARATOR) for turn in turns[:-1]])
    return np.searchsorted([begin for begin, _ in offsets], starts).astype(np.int64)


def _assemble(rows: Sequence[tuple[Tokens, ...]], frame: Frame) -> Sequences:
    """Put the frame around each row's parts; the last part is the second segment."""
    count = len(rows[0]) if rows else 2
    before, *gaps, after = (np.array(ids, dtype=np.int32) for ids in (frame.before, *frame.gaps(count), frame.after))
    pieces = [piece for parts in rows for piece in _framed(parts, before, gaps, after)]
    lengths = np.array([frame.around(count) + sum(map(len, parts)) for parts in rows], dtype=np.int64)
    # The token right after the last part but one closes the first segment ([SEP]); a second separator opens the next.
    opening = len(after) + max(0, len(gaps[-1]) - 1)
    firsts = lengths - np.array([opening + len(parts[-1]) for parts in rows], dtype=np.int64)
    tokens = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int32)
    return Sequences(tokens, np.concatenate([[0], np.cumsum(lengths)]), firsts)


def _framed(parts: tuple[Tokens, ...], before: Tokens, gaps: list[Tokens], after: Tokens) -> list[Tokens]:
    first, *others = parts
    between = (piece for gap, part in zip(gaps, others, strict=True) for piece in (gap, part))
    return [before, first, *between, after]
