"""Many heads of one form in one module, so that a step of all of them costs hardly more than a step of one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from prefens.modeling.pair_model import Batch, PairModel

DOT = "/"  # stands for the dots in the names of weights, which a module's own weights can't have


class HeadStack(nn.Module):
    """The trained weights of m pair models of one form, each tensor with a leading dimension m.

    Every head sees inputs and draws dropout of its own; nothing that one computes depends on another, apart from
    rounding. After Izmailov's and others' model ensembling with `torch.func` (its tutorial "Model ensembling").
    """

    def __init__(self, models: Sequence[PairModel]) -> None:
        super().__init__()
        weights, _ = stack_module_state(list(models))
        for name, weight in weights.items():
            self.register_parameter(name.replace(".", DOT), nn.Parameter(weight.detach().clone()))
        self.encoder = models[0].encoder  # frozen, without weights of its own
        self._form = [models[0]]  # in a list, so that its weights do not count as a part of this module

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (m, n, 3) logits for a batch whose tensors are those of `pair_batch` with a leading m."""

        def judge(weights: dict[str, torch.Tensor], own: Batch) -> torch.Tensor:
            logits: torch.Tensor = functional_call(self._form[0], weights, (own,))
            return logits

        weights: dict[str, torch.Tensor] = {name.replace(DOT, "."): weight for name, weight in self.named_parameters()}
        logits: torch.Tensor = vmap(judge, randomness="different")(weights, batch)
        return logits

    def weights_of(self, place: int) -> dict[str, torch.Tensor]:
        """Return the weights of one of the models, by the names that they have in it."""
        return {name.replace(DOT, "."): weight[place].detach().cpu() for name, weight in self.named_parameters()}
