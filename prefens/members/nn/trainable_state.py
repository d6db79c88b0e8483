"""The weights that were trained of a model whose encoder was not: its head's, and adapters."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from prefens.members.nn.lora import LoraSettings, merge_adapters

ENCODER = "encoder."


def trained_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return what of a pair model's state is not the backbone's, by name."""
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    return {
        name: tensor for name, tensor in model.state_dict().items() if name in trained or not name.startswith(ENCODER)
    }


def load_trained_weights(model: nn.Module, weights: Mapping[str, torch.Tensor], lora: LoraSettings) -> None:
    """Put `trained_weights` into a pair model on the plain backbone; adapters are merged into the encoder.

    ValueError where they are those of another model.
    """
    own = {name: tensor for name, tensor in weights.items() if not name.startswith(ENCODER)}
    missing = {name for name in model.state_dict() if not name.startswith(ENCODER)} - own.keys()
    if missing:
        raise ValueError(f"no weights for {sorted(missing)[:3]}")
    unknown = model.load_state_dict(own, strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"weights of another model: {unknown[:3]}")
    adapters = {name.removeprefix(ENCODER): tensor for name, tensor in weights.items() if name not in own}
    if adapters:
        merge_adapters(model.get_submodule(ENCODER.rstrip(".")), adapters, lora)
