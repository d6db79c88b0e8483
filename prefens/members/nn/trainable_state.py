"""The trained weights of a model whose backbone was not trained: those of its head, and adapters."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from prefens.members.nn.lora import Adapters, LoraSettings, merge_adapters
from prefens.members.nn.pair_model import PairModel

ENCODER_PREFIX = "encoder."


def trainable_state_dict(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the part of a pair model's state that is not the backbone's, by name."""
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    return {
        name: tensor
        for name, tensor in model.state_dict().items()
        if name in trained or not name.startswith(ENCODER_PREFIX)
    }


def unfrozen_state_dict(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a model's state without the parameters that are not trained, which its backbone's files hold.

    Where they are quantized, their scales are left out too: layer.weight.absmax beside layer.weight.
    """
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    state: dict[str, torch.Tensor] = model.state_dict()
    weight_of = {name: f"{name.partition('.weight.')[0]}.weight" for name in state if ".weight." in name}
    return {name: tensor for name, tensor in state.items() if weight_of.get(name, name) not in frozen}


def fits(model: nn.Module, state: Mapping[str, torch.Tensor]) -> bool:
    """Return whether a state has the names and shapes of the model's own `unfrozen_state_dict`."""
    own, other = ({name: tensor.shape for name, tensor in each.items()} for each in (unfrozen_state_dict(model), state))
    return own == other


def load_trainable_state_dict(
    model: PairModel, state: Mapping[str, torch.Tensor], lora: LoraSettings, merge: bool
) -> None:
    """Load `trainable_state_dict` into a pair model on the plain backbone.

    Parameters
    ----------
    model : PairModel
        A model on the backbone that the weights were trained on.
    state : mapping of str to torch.Tensor
        What `trainable_state_dict` returned.
    lora : LoraSettings
        Those of the training; they scale the adapters.
    merge : bool
        Whether adapters are merged into the encoder's weights, or stand beside them, so that models can share these.

    Raises
    ------
    ValueError
        The weights are those of another model.
    """
    own = {name: tensor for name, tensor in state.items() if not name.startswith(ENCODER_PREFIX)}
    missing = {name for name in model.state_dict() if not name.startswith(ENCODER_PREFIX)} - own.keys()
    if missing:
        raise ValueError(f"no weights for {sorted(missing)[:3]}")
    unknown = model.load_state_dict(own, strict=False).unexpected_keys
    if unknown:
        raise ValueError(f"weights of another model: {unknown[:3]}")
    adapters = {name.removeprefix(ENCODER_PREFIX): tensor for name, tensor in state.items() if name not in own}
    if adapters and merge:
        merge_adapters(model.encoder, adapters, lora)
    elif adapters:
        model.adapters = Adapters(model.encoder, adapters, lora)
