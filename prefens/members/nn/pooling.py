"""From token states to one vector a sequence."""

from __future__ import annotations

from enum import Enum

import torch
from torch import nn


class Pooling(Enum):
    """What a sequence's vector is made of.

    mean: over the real tokens; cls: the first token; max_mean: the largest value beside the mean, (n, 2d);
    attention: a mean weighted by how well each state agrees with a learned query (Yang et al. 2016, "Hierarchical
    attention networks for document classification", section 2.2, without their hidden layer).
    """

    mean = "mean"
    cls = "cls"
    max_mean = "max_mean"
    attention = "attention"


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return (n, d) vectors, max_mean (n, 2d), from (n, t, d) states and an (n, t) mask; padding never counts.

    Only for poolings that have no weights of their own (ValueError for attention).
    """
    if pooling is Pooling.attention:
        raise ValueError("attention has a query to learn: use Pool")
    if pooling is Pooling.cls:
        return states[:, 0]
    weights = mask.unsqueeze(-1).to(states.dtype)
    mean = (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
    if pooling is Pooling.mean:
        return mean
    largest = states.masked_fill(weights == 0, torch.finfo(states.dtype).min).amax(dim=1)
    return torch.cat([largest, mean], dim=1)


class Pool(nn.Module):
    """Any pooling as a layer, with the weights that attention learns; it starts as the mean.

    Attributes
    ----------
    size : the length of the vectors that it gives.
    """

    def __init__(self, pooling: Pooling, dimension: int) -> None:
        super().__init__()
        self.pooling = pooling
        self.size = dimension * (2 if pooling is Pooling.max_mean else 1)
        if pooling is Pooling.attention:
            self.query = nn.Parameter(torch.zeros(dimension))

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, size) vectors from (n, t, d) states and an (n, t) mask."""
        if self.pooling is not Pooling.attention:
            return pool(states, mask, self.pooling)
        scores = (states @ self.query) / states.shape[-1] ** 0.5
        weights = scores.masked_fill(mask == 0, torch.finfo(scores.dtype).min).softmax(dim=1)
        weighted: torch.Tensor = (states * weights.unsqueeze(-1)).sum(dim=1)
        return weighted
