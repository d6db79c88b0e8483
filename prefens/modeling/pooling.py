"""From token states to one vector a sequence."""

from __future__ import annotations

from enum import Enum

import torch


class Pooling(Enum):
    """mean: over the real tokens; cls: the first token."""

    mean = "mean"
    cls = "cls"


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return (n, d) vectors from (n, t, d) states and an (n, t) mask of real tokens; padding never counts."""
    if pooling is Pooling.cls:
        return states[:, 0]
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)
