"""An exponential moving average of the weights: it predicts, while the last weights go on learning."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


def averaged(model: nn.Module, decay: float) -> AveragedModel | None:
    """Return the average to be updated after every step (Polyak & Juditsky 1992); None for a decay of 0.

    The decay is (1 + n) / (10 + n) after n steps where that is less, so that the first weights are soon forgotten.
    """

    @torch.no_grad()
    def update(means: Any, weights: Any, taken: Any) -> None:
        steps = int(taken)
        torch._foreach_lerp_(means, weights, 1 - min(decay, (1 + steps) / (10 + steps)))

    return AveragedModel(model, multi_avg_fn=update) if decay > 0 else None
