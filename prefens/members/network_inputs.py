"""What a network reads of pairs: their tokens, or what a frozen encoder gives for these."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from prefens.core.feature_cache import cached_features
from prefens.core.hashing import short
from prefens.core.types import Ints, Pairs
from prefens.data.text.settings import TextSettings
from prefens.data.text.token_cache import cached_tokens
from prefens.data.text.tokens import PairTokens, tokenize_pairs
from prefens.data.text.truncation import warn_of_losses
from prefens.members.nn.encoder_features import EncodedPairs
from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.pairing import Pairing
from prefens.members.style_inputs import StyleInputs
from prefens.members.training.precompute import encoded


@dataclass(frozen=True, eq=False)
class TokenReader:
    """Turns pairs into token sequences, once for all folds and seeds.

    Attributes
    ----------
    tokenizer : of transformers.
    text : the budgets of a sequence's parts.
    pairing : whether a sequence holds one response or both.
    prefixes : what stands before a prompt and before a response.
    kind : of the member, with its version; a part of the keys of caches.
    style : the style features that the head reads beside the tokens, or None.
    cache : a folder for the tokens, or None to keep them in memory alone.
    """

    tokenizer: Any
    text: TextSettings
    pairing: Pairing
    prefixes: tuple[str, str]
    kind: str
    style: StyleInputs | None = None
    cache: Path | None = None

    @property
    def padding(self) -> int:
        """The id of the padding token."""
        return int(self.tokenizer.pad_token_id)

    @cached_property
    def signature(self) -> str:
        """The key of the tokens in caches: all that decides them but the texts."""
        vocabulary = f"{self.tokenizer.backend_tokenizer.to_str()} {sorted(self.tokenizer.special_tokens_map.items())}"
        digest = short(hashlib.sha256(vocabulary.encode()).hexdigest())
        prompt, response = self.prefixes
        return f"{self.kind} tokens {digest} {self.pairing.name} {self.text} {prompt!r} {response!r}"

    def read(self, pairs: Pairs) -> tuple[PairTokens, Ints]:
        """Return the tokens of all pairs that `pairs` were taken from, and the (n,) places of `pairs` in them."""

        def compute(part: Pairs) -> PairTokens:
            return tokenize_pairs(self.tokenizer, part, self.text, *self.prefixes, cross=self.pairing is Pairing.cross)

        def load(base: Pairs) -> PairTokens:
            tokens = cached_tokens(self.cache, self.signature, base, compute)
            warn_of_losses(tokens.audit, self.text)
            return tokens

        tokens, rows = cached_features(pairs, self.signature, load)
        if self.style is not None:
            tokens = replace(tokens, style=self.style.of_base(pairs))
        return tokens, np.arange(len(pairs)) if isinstance(rows, slice) else rows


def frozen_features(
    model: PairModel, fingerprint: str, reader: TokenReader, pairs: Pairs, tokens: PairTokens, token_budget: int
) -> EncodedPairs:
    """Return what the frozen encoder of a model gives for all pairs that `pairs` were taken from.

    Parameters
    ----------
    fingerprint : of the encoder's files.
    tokens : of those pairs, as `reader` gives them.
    token_budget : real tokens in a forward pass.
    """
    head = model.settings
    kept = "states" if head.learns_pooling else head.pooling.name
    signature = f"encoded {fingerprint} {token_budget} {model.arithmetic} {kept} {reader.signature}"

    def compute(_: Pairs) -> EncodedPairs:
        return encoded(model, tokens, reader.padding, token_budget, fingerprint, reader.cache)

    features, _ = cached_features(pairs, signature, compute)
    return replace(features, style=tokens.style)
