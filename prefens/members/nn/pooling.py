"""Pooling: from token states to one vector per sequence."""

from __future__ import annotations

from enum import Enum

import torch
from torch import nn


class Pooling(Enum):
    """How the token states of a sequence become one vector.

    Attributes
    ----------
    mean
        The mean over the real tokens.
    cls
        The state of the first token.
    max_mean
        The maximum and the mean over the real tokens, concatenated: (n, 2d).
    last
        The state of the last real token, which alone has seen all others where attention is causal.
    attention
        A mean weighted by the agreement of each state with a learned query (Yang et al. 2016, "Hierarchical attention
        networks for document classification", section 2.2, without their hidden layer).
    """

    mean = "mean"
    cls = "cls"
    max_mean = "max_mean"
    last = "last"
    attention = "attention"


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return one vector per sequence, by a pooling without weights; padding never counts.

    Parameters
    ----------
    states : torch.Tensor, shape (n, t, d)
        Token states.
    mask : torch.Tensor, shape (n, t)
        1 at real tokens, 0 at padding.
    pooling : Pooling
        Any but attention.

    Returns
    -------
    torch.Tensor, shape (n, d), or (n, 2d) for max_mean

    Raises
    ------
    ValueError
        The pooling is attention, whose query is learned.
    """
    if pooling is Pooling.attention:
        raise ValueError("pool has no weights, and attention pooling learns a query: use PoolingLayer")
    if pooling is Pooling.cls:
        return states[:, 0]
    if pooling is Pooling.last:  # by the mask, never by the padding id: some models end real texts with it
        places = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).argmax(dim=1)
        return states[torch.arange(len(states), device=states.device), places]
    weights = mask.unsqueeze(-1).to(states.dtype)
    mean = (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
    if pooling is Pooling.mean:
        return mean
    largest = states.masked_fill(weights == 0, torch.finfo(states.dtype).min).amax(dim=1)
    return torch.cat([largest, mean], dim=1)


class PoolingLayer(nn.Module):
    """Any pooling as a layer; attention pooling starts as the mean.

    Parameters
    ----------
    pooling : Pooling
        The kind.
    dimension : int
        The size d of the token states.

    Attributes
    ----------
    size : int
        The size of the pooled vectors: d, or 2d for max_mean.
    """

    def __init__(self, pooling: Pooling, dimension: int) -> None:
        super().__init__()
        self.pooling = pooling
        self.size = dimension * (2 if pooling is Pooling.max_mean else 1)
        if pooling is Pooling.attention:
            self.query = nn.Parameter(torch.zeros(dimension))

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, size) vectors of (n, t, d) states and their (n, t) mask."""
        if self.pooling is not Pooling.attention:
            return pool(states, mask, self.pooling)
        scores = (states @ self.query) / states.shape[-1] ** 0.5
        weights = scores.masked_fill(mask == 0, torch.finfo(scores.dtype).min).softmax(dim=1)
        pooled: torch.Tensor = (states * weights.unsqueeze(-1)).sum(dim=1)
        return pooled
