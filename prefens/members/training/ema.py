"""An exponential moving average of the weights: it predicts, and the last weights go on learning."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


def ema_model(model: nn.Module, decay: float) -> AveragedModel | None:
    """Return a moving average of a model's weights, to be updated after every step; None for a decay of 0.

    Polyak & Juditsky 1992. The decay is (1 + n) / (10 + n) after n steps where that is less than `decay`, so that the
    first weights are soon forgotten.

    Parameters
    ----------
    model : nn.Module
        The model in training.
    decay : float in [0, 1)
        The weight of the average against the newest weights.
    """

    @torch.no_grad()
    def update(averages: Any, weights: Any, taken: Any) -> None:
        steps = int(taken)
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + steps) / (10 + steps)))

    return AveragedModel(model, multi_avg_fn=update) if decay > 0 else None
