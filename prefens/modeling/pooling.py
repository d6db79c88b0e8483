"""From token states to one vector a sequence."""

from __future__ import annotations

from enum import Enum

import torch


class Pooling(Enum):
    """mean: over the real tokens; cls: the first token; max_mean: the largest value beside the mean, (n, 2d)."""

    mean = "mean"
    cls = "cls"
    max_mean = "max_mean"


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return (n, d) vectors, max_mean (n, 2d), from (n, t, d) states and an (n, t) mask; padding never counts."""
    if pooling is Pooling.cls:
        return states[:, 0]
    weights = mask.unsqueeze(-1).to(states.dtype)
    mean = (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
    if pooling is Pooling.mean:
        return mean
    largest = states.masked_fill(weights == 0, torch.finfo(states.dtype).min).amax(dim=1)
    return torch.cat([largest, mean], dim=1)
