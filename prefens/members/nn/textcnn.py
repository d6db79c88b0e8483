"""A convolutional text encoder, trained from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from torch import nn

from prefens.members.nn.convolutions import Convolutions


class TextCnn(nn.Module):
    """Word vectors, spatial dropout, and convolutions of several widths side by side, called like a transformers model.

    Parameters
    ----------
    vocabulary : int
        Words with a vector.
    padding : int
        The token id of padding.
    dimension : int
        The size of a word vector.
    filters : int
        Filters of each width.
    widths : sequence of int
        Words under a filter.
    dropout : float in [0, 1)
        The share of the channels of the word vectors that a training step drops.

    Attributes
    ----------
    config : SimpleNamespace
        `hidden_size`, the number of channels `len(widths) * filters`, and `type_vocab_size`, 0.
    """

    def __init__(
        self, vocabulary: int, padding: int, dimension: int, filters: int, widths: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dimension, padding_idx=padding)
        self.dropout = nn.Dropout1d(dropout)  # of whole channels: a single dropped word shows in its neighbours
        self.convolutions = Convolutions(dimension, filters, widths)
        self.config = SimpleNamespace(hidden_size=self.convolutions.size, type_vocab_size=0)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """Return states (n, t, channels) as `last_hidden_state` for (n, t) token ids and mask."""
        vectors = self.dropout(self.embedding(input_ids).transpose(1, 2)).transpose(1, 2)
        return SimpleNamespace(last_hidden_state=self.convolutions(vectors, attention_mask))
