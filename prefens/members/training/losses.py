"""The loss of a step of pair models: cross entropy with votes, or with the weights of a teacher's targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from prefens.core.metrics import swap_outcomes
from prefens.core.teaching import Targets
from prefens.core.types import SWAP, Ints


def target_tensors(targets: Targets, places: Ints, swapped: NDArray[np.bool_]) -> list[torch.Tensor]:
    """Return what `summed_loss` compares logits with.

    Parameters
    ----------
    targets : Targets
        Of n pairs.
    places : int64 array, shape (m,)
        Of the pairs that are shown.
    swapped : bool array, shape (n,)
        Which pairs are shown with A and B swapped.

    Returns
    -------
    list of torch.Tensor
        The outcomes, (m,) int64, of targets that are votes; else the weights of the outcomes, (m, K) float32, at
        temperature 1 and, where there are any, at the targets' temperature.
    """
    if targets.are_votes:
        label = targets.label[places]
        return [torch.from_numpy(np.where(swapped[places], SWAP[label], label).astype(np.int64))]
    parts = [part[places] for part in (targets.plain, targets.softened) if part is not None]
    shown = [np.where(swapped[places, None], swap_outcomes(part), part) for part in parts]
    return [torch.from_numpy(part.astype(np.float32)) for part in shown]


def summed_loss(
    logits: torch.Tensor, tensors: Sequence[torch.Tensor], temperature: float, smoothing: float = 0.0
) -> torch.Tensor:
    """Return the sum of the losses of pairs, in nats.

    Parameters
    ----------
    logits : torch.Tensor, shape (m, K)
    tensors : sequence of torch.Tensor
        What `target_tensors` returned.
    temperature : float, positive
        Of the targets.
    smoothing : float in [0, 1)
        The share of each pair's weights that is spread over all outcomes: of its vote and of the teacher's alike.
    """
    if not tensors[0].is_floating_point():
        return cross_entropy(logits, tensors[0], reduction="sum", label_smoothing=smoothing)
    losses = [
        cross_entropy(logits / divisor, _smoothed(weights, smoothing), reduction="sum")
        for weights, divisor in zip(tensors, (1.0, temperature), strict=False)
    ]
    return torch.stack(losses).sum()


def _smoothed(weights: torch.Tensor, smoothing: float) -> torch.Tensor:
    return (1.0 - smoothing) * weights + smoothing * weights.mean(dim=1, keepdim=True)
