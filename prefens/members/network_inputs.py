"""The inputs of networks: tokens of pairs, or the features that a frozen encoder gives for them."""

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
from prefens.members.nn.encoder_features import EncoderFeatures
from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.pairing import Pairing
from prefens.members.style_inputs import StyleInputs
from prefens.members.training.precompute import precompute


@dataclass(frozen=True, eq=False)
class TokenReader:
    """Turns pairs into token sequences, once for all folds and seeds.

    Attributes
    ----------
    tokenizer : transformers tokenizer
        A fast one.
    text : TextSettings
        The budgets of a sequence's parts.
    pairing : Pairing
        Whether a sequence holds one response or both.
    prefixes : tuple of str
        What is put before each prompt, and before each response.
    kind : str
        Of the member, with its version; a part of the keys of caches.
    style : StyleInputs or None
        The style features that the head reads beside the tokens.
    cache : Path or None
        A folder for the tokens, or None to keep them in memory alone.
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
        """The key of the tokens in caches: everything that decides them but the texts."""
        vocabulary = f"{self.tokenizer.backend_tokenizer.to_str()} {sorted(self.tokenizer.special_tokens_map.items())}"
        digest = short(hashlib.sha256(vocabulary.encode()).hexdigest())
        prompt, response = self.prefixes
        chat = self.tokenizer.chat_template if self.text.template.chat else None
        frame = f"{self.pairing.name} {self.text}" + ("" if chat is None else f" {chat!r}")
        return f"{self.kind} tokens {digest} {frame} {prompt!r} {response!r}"

    def read(self, pairs: Pairs) -> tuple[PairTokens, Ints]:
        """Return the tokens of all pairs that some pairs were taken from.

        Parameters
        ----------
        pairs : Pairs
            n pairs.

        Returns
        -------
        tokens : PairTokens
            With style features where the head reads them.
        rows : int64 array, shape (n,)
            The places of `pairs` in them.
        """

        def compute(part: Pairs) -> PairTokens:
            return tokenize_pairs(self.tokenizer, part, self.text, *self.prefixes, cross=self.pairing is Pairing.cross)

        def load(base: Pairs) -> PairTokens:
            tokens = cached_tokens(self.cache, self.signature, base, compute)
            warn_of_losses(tokens.audit, self.text, len(base))
            return tokens

        tokens, rows = cached_features(pairs, self.signature, load)
        if self.style is not None:
            tokens = replace(tokens, style=self.style.base_features(pairs))
        return tokens, np.arange(len(pairs)) if isinstance(rows, slice) else rows


def encoder_features(
    model: PairModel, states_of: str, reader: TokenReader, pairs: Pairs, tokens: PairTokens, token_budget: int
) -> EncoderFeatures:
    """Return the features that a model's frozen encoder gives for all pairs that some pairs were taken from.

    They are computed once for all folds and seeds of a process.

    Parameters
    ----------
    model : PairModel
        With a `FrozenEncoder`.
    states_of : str
        The fingerprint of the encoder's files, and what else decides its states.
    reader : TokenReader
        Of the model.
    pairs : Pairs
        The pairs; the features have one entry for each pair that they were taken from.
    tokens : PairTokens
        What `reader` returns for them.
    token_budget : int
        Real tokens in a forward pass.
    """
    form = "states" if model.settings.learns_pooling else model.head.pooling_layer.pooling.name
    signature = f"encoder features {states_of} {token_budget} {model.compute_dtype} {form} {reader.signature}"

    def compute(_: Pairs) -> EncoderFeatures:
        return precompute(model, tokens, reader.padding, token_budget, states_of, reader.cache)

    features, _ = cached_features(pairs, signature, compute)
    return replace(features, style=tokens.style)
