"""The pair model: an encoder reads the sequences of a pair, a head makes logits of their states."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from prefens.core.types import SWAP
from prefens.data.text.tokens import PairTokens
from prefens.data.text.truncation import Tokens
from prefens.members.nn.encoder_features import EncoderFeatures
from prefens.members.nn.encoder_forward import encode
from prefens.members.nn.frozen_encoder import FrozenEncoder
from prefens.members.nn.heads import HeadSettings, make_head
from prefens.members.nn.pairing import Pairing

Batch = dict[str, torch.Tensor]


class PairModel(nn.Module):
    """An encoder of Hugging Face's kind and a head, for either pairing.

    Parameters
    ----------
    style : how many odd and even style features the batches hold, (0, 0) where the head reads none.

    Attributes
    ----------
    both : whether training needs both sequences of a pair. Only a cross pairing with a head that is not symmetric by
        form learns from one sequence; prediction reads both in any case.
    arithmetic : that of the encoder's products, fp32 or bf16; pooling, head and weights are fp32 always.
    compiled : whether the encoder is trained through torch.compile.
    """

    arithmetic: torch.dtype = torch.float32
    compiled: bool = False

    def __init__(
        self,
        encoder: Any,
        settings: HeadSettings,
        pairing: Pairing = Pairing.siamese,
        style: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.settings = settings
        self.head = make_head(settings, encoder.config.hidden_size, sum(style), pairing)
        self.both = pairing is Pairing.siamese or self.head.symmetric
        self.segments = getattr(encoder.config, "type_vocab_size", 0) > 1

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (n, K) logits in the given order for a batch of n pairs, as `pair_batch` makes it."""
        return self._logits(*self.vectors(batch))

    def log_probabilities(self, batch: Batch) -> torch.Tensor:
        """Return (n, K) float64 log probabilities, swap-symmetric by construction, for a batch with both sequences.

        A head that is not symmetric by form judges both orders, and the two are averaged in probability.
        """
        a, b = self.vectors(batch)
        there = self._logits(a, b).double().log_softmax(dim=1)
        if self.head.symmetric:
            return there
        back = self._logits(b, a).double().log_softmax(dim=1)
        return torch.logaddexp(there, back[:, SWAP.tolist()]) - log(2.0)

    def vectors(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Return the (n, size) vectors that the head reads: of the first sequences, and of the second if there are any.

        The style features stand beside them as the response sees them whose turn it is: odd ones change their sign
        between the two.
        """
        pooled = torch.split(self.pooled(batch).float(), len(batch["rows"]))
        if "odd" not in batch:
            return tuple(pooled)
        signs = (1.0, -1.0)[: len(pooled)]
        odd, even = batch["odd"], batch["even"]
        return tuple(torch.cat([vector, sign * odd, even], dim=1) for vector, sign in zip(pooled, signs, strict=True))

    def pooled(self, batch: Batch) -> torch.Tensor:
        """Return (m, size) vectors of the batch's m sequences; a frozen encoder may have given them before."""
        if "pooled" in batch:
            return batch["pooled"]
        return self.head.read(self.states(batch), batch["attention_mask"])

    def states(self, batch: Batch) -> torch.Tensor:
        """Return (m, t, d) token states of the batch's m sequences; a frozen encoder may have given them before."""
        if "states" in batch:
            return batch["states"]
        frozen = isinstance(self.encoder, FrozenEncoder)
        encoder = self.encoder.loaded(batch["input_ids"].device) if frozen else self.encoder
        states = encode(encoder, batch, self.segments, self.arithmetic, self.compiled and self.training)
        return states.half().float() if frozen and self.encoder.rounded else states

    def _logits(self, *vectors: torch.Tensor) -> torch.Tensor:
        """Return the head's (n, K) logits; in fp32, since bf16 has no more than three digits for them."""
        with torch.autocast(vectors[0].device.type, enabled=False):
            logits: torch.Tensor = self.head(*vectors[: self.head.vectors])
        return logits


def pad(sequences: list[tuple[Tokens, int]], padding: int) -> Batch:
    """Return (n, longest) tensors of token ids, mask and segments for n (tokens, length of the first segment)."""
    longest = max(len(tokens) for tokens, _ in sequences)
    ids = torch.full((len(sequences), longest), padding, dtype=torch.long)
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, (tokens, first) in enumerate(sequences):
        ids[row, : len(tokens)] = torch.from_numpy(tokens.astype("int64"))
        mask[row, : len(tokens)] = 1
        types[row, first : len(tokens)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def pair_batch(
    tokens: PairTokens | EncoderFeatures,
    rows: Sequence[int] | NDArray[np.int64],
    padding: int,
    swapped: NDArray[np.bool_] | None = None,
    both: bool = True,
) -> Batch:
    """Return the padded batch of the n pairs at `rows`, as `PairModel` reads it.

    Parameters
    ----------
    tokens : of pairs, or what a frozen encoder made of them; padding : the token id that fills shorter sequences.
    swapped : (n,) whether a pair's two sequences change places, its style features with them; or None for no pair.
    both : whether the batch holds both sequences of each pair, the first ones first, or the first ones alone.

    Returns
    -------
    input_ids, attention_mask, token_type_ids (2n or n, longest), or what `EncoderFeatures.batch` gives; rows (n,), as
    given; odd (n, p) and even (n, q) where the tokens come with style features.
    """
    places = np.asarray(rows, dtype=np.int64)
    turned = np.zeros(len(places), dtype=bool) if swapped is None else np.asarray(swapped, dtype=bool)
    orders = [turned, ~turned] if both else [turned]  # of which of a pair's two sequences are shown
    if isinstance(tokens, EncoderFeatures):
        batch = tokens.batch(np.concatenate([places + len(tokens) * other for other in orders]))
    else:
        sides = (tokens.a, tokens.b)
        chosen = [
            (sides[int(other)], row) for others in orders for row, other in zip(places.tolist(), others, strict=True)
        ]
        batch = pad([(side[row], int(side.firsts[row])) for side, row in chosen], padding)
    batch["rows"] = torch.from_numpy(places)
    if tokens.style is not None:
        signs = np.where(turned, -1.0, 1.0)[:, None]
        batch["odd"] = torch.from_numpy((tokens.style.odd[places] * signs).astype("float32"))
        batch["even"] = torch.from_numpy(tokens.style.even[places].astype("float32"))
    return batch
