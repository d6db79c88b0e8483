"""The siamese pair model: one encoder reads prompt + A and prompt + B, a head compares the two."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from prefens.modeling.encoded import EncodedPairs
from prefens.modeling.heads import EquivariantHead, HeadSettings
from prefens.modeling.pooling import Pooling, pool
from prefens.text.tokens import PairTokens
from prefens.text.truncation import Tokens

Batch = dict[str, torch.Tensor]


class PairModel(nn.Module):
    """An encoder of Hugging Face's kind, pooling, and an equivariant head."""

    def __init__(self, encoder: Any, settings: HeadSettings) -> None:
        super().__init__()
        self.encoder = encoder
        self.settings = settings
        dimension = encoder.config.hidden_size * (2 if settings.pooling is Pooling.max_mean else 1)
        self.width = dimension
        self.head = EquivariantHead(dimension, settings.hidden, settings.dropout)
        self.segments = getattr(encoder.config, "type_vocab_size", 0) > 1

    learns_pooling = False

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (n, 3) logits for 2n sequences: the n of prompt + A, then the n of prompt + B."""
        a, b = self.pooled(batch).chunk(2)
        logits: torch.Tensor = self.head(a, b)
        return logits

    def pooled(self, batch: Batch) -> torch.Tensor:
        """Return (m, size) vectors of the batch's m sequences."""
        if "pooled" in batch:  # by a frozen encoder, before
            return batch["pooled"]
        return pool(self.states(batch), batch["attention_mask"], self.settings.pooling)

    def states(self, batch: Batch) -> torch.Tensor:
        """Return (m, t, d) float32 token states of the batch's m sequences."""
        if "states" in batch:
            return batch["states"]
        types = {"token_type_ids": batch["token_type_ids"]} if self.segments else {}
        found = self.encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], **types)
        states: torch.Tensor = found.last_hidden_state.float()
        return states


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
    tokens: PairTokens | EncodedPairs,
    rows: NDArray[np.int64],
    padding: int,
    swapped: NDArray[np.bool_] | None = None,
    both: bool = True,
) -> Batch:
    """Return the padded batch of the n pairs at `rows`, as `PairModel` reads it."""
    turned = np.zeros(len(rows), dtype=bool) if swapped is None else swapped
    chosen = [turned ^ bool(place) for place in range(2 if both else 1)]  # whether a sequence is the one of b
    if isinstance(tokens, EncodedPairs):
        return tokens.batch(np.concatenate([rows + len(tokens) * other for other in chosen]))
    sides = (tokens.a, tokens.b)
    sequences = [(sides[int(other)], row) for part in chosen for row, other in zip(rows.tolist(), part, strict=True)]
    return pad([(side[row], int(side.firsts[row])) for side, row in sequences], padding)
