"""A convolutional text encoder, trained from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from torch import nn

from prefens.members.nn.convolutions import Convolutions


class TextCnn(nn.Module):
    """Word vectors, spatial dropout, and convolutions of several widths side by side.

    It is called as the encoders of transformers are, and gives states of `len(widths) * filters` channels.
    """

    def __init__(
        self, vocabulary: int, padding: int, dimension: int, filters: int, widths: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dimension, padding_idx=padding)
        self.dropout = nn.Dropout1d(dropout)  # of whole channels: neighbouring words would tell a single one
        self.convolutions = Convolutions(dimension, filters, widths)
        self.config = SimpleNamespace(hidden_size=self.convolutions.size, type_vocab_size=0)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """Return states (n, t, channels) as `last_hidden_state` for (n, t) tokens and mask."""
        vectors = self.dropout(self.embedding(input_ids).transpose(1, 2)).transpose(1, 2)
        return SimpleNamespace(last_hidden_state=self.convolutions(vectors, attention_mask))
