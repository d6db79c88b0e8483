"""Convolutions of several widths side by side over the vectors of a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Convolutions(nn.ModuleList):
    """One convolution per width, each followed by a ReLU.

    Kim 2014, "Convolutional neural networks for sentence classification", section 2.

    Parameters
    ----------
    dimension : int
        The size d of the vectors that are read.
    filters : int
        Filters of each width.
    widths : sequence of int
        Vectors under a filter.

    Attributes
    ----------
    size : int
        The number of output channels: `filters` of each width.
    """

    def __init__(self, dimension: int, filters: int, widths: Sequence[int]) -> None:
        super().__init__(nn.Conv1d(dimension, filters, width, padding="same") for width in widths)
        self.size = len(widths) * filters

    def forward(self, vectors: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, t, size) states of (n, t, d) vectors; padding, where the (n, t) mask is 0, counts as zeros."""
        channels = (vectors * mask.unsqueeze(-1).to(vectors.dtype)).transpose(1, 2)
        return torch.cat([torch.relu(convolution(channels)) for convolution in self], dim=1).transpose(1, 2)
