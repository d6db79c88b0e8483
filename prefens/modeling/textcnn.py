"""A convolutional text encoder, trained from scratch.

Kim 2014, "Convolutional neural networks for sentence classification", section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from torch import nn


class TextCnn(nn.Module):
    """Word vectors, spatial dropout, and convolutions of several widths side by side.

    It is called as the encoders of transformers are, and gives states of `len(widths) * filters` channels.
    """

    def __init__(
        self, vocabulary: int, padding: int, dimension: int, filters: int, widths: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.config = SimpleNamespace(hidden_size=len(widths) * filters, type_vocab_size=0)
        self.embedding = nn.Embedding(vocabulary, dimension, padding_idx=padding)
        self.dropout = nn.Dropout1d(dropout)  # of whole channels: neighbouring words would tell a single one
        self.convolutions = nn.ModuleList(nn.Conv1d(dimension, filters, width, padding="same") for width in widths)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """Return states (n, t, channels) as `last_hidden_state` for (n, t) tokens and mask."""
        vectors = self.dropout(self.embedding(input_ids).transpose(1, 2)) * attention_mask.unsqueeze(1)
        states = torch.cat([torch.relu(convolution(vectors)) for convolution in self.convolutions], dim=1)
        return SimpleNamespace(last_hidden_state=states.transpose(1, 2))
