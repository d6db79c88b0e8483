"""The siamese pair model: one encoder reads prompt + A and prompt + B, a head compares the two."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from prefens.modeling.encoding import encode
from prefens.modeling.heads import EquivariantHead, HeadSettings
from prefens.modeling.pooling import Pooling, pool
from prefens.text.tokens import Sequences
from prefens.text.truncation import Tokens


class PairModel(nn.Module):
    """An encoder of Hugging Face's kind, pooling, and an equivariant head.

    `arithmetic` is that of the encoder's products, fp32 or bf16; pooling and head are fp32 always, and so are weights.
    `compiled` says whether the encoder is trained through torch.compile.
    """

    arithmetic: torch.dtype = torch.float32
    compiled: bool = False

    def __init__(self, encoder: Any, settings: HeadSettings) -> None:
        super().__init__()
        self.encoder = encoder
        self.settings = settings
        dimension = encoder.config.hidden_size * (2 if settings.pooling is Pooling.max_mean else 1)
        self.head = EquivariantHead(dimension, settings.hidden, settings.dropout)
        self.segments = getattr(encoder.config, "type_vocab_size", 0) > 1

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return (n, 3) logits for 2n sequences: the n of prompt + A, then the n of prompt + B."""
        states = encode(self.encoder, batch, self.segments, self.arithmetic, self.compiled and self.training)
        a, b = pool(states, batch["attention_mask"], self.settings.pooling).chunk(2)
        logits: torch.Tensor = self.head(a, b)
        return logits


def pad(sequences: list[tuple[Tokens, int]], padding: int) -> dict[str, torch.Tensor]:
    """Return (n, longest) tensors of token ids, mask and segments for n (tokens, length of the first segment)."""
    longest = max(len(tokens) for tokens, _ in sequences)
    ids = torch.full((len(sequences), longest), padding, dtype=torch.long)
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, (tokens, first) in enumerate(sequences):
        ids[row, : len(tokens)] = torch.from_numpy(tokens.astype("int64"))
        mask[row, : len(tokens)] = 1
        types[row, first : len(tokens)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def pair_batch(a: Sequences, b: Sequences, rows: list[int], padding: int) -> dict[str, torch.Tensor]:
    """Return the padded batch of some pairs' two sequences each, as `PairModel.forward` reads it."""
    return pad([(side[row], int(side.firsts[row])) for side in (a, b) for row in rows], padding)
