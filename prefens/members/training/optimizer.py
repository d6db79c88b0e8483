"""Which weights are trained, and at which learning rates."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from prefens.members.nn.lora import LORA_B
from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.trainable_state import ENCODER_PREFIX
from prefens.members.nn.weight_format import require_bitsandbytes
from prefens.members.training.settings import OptimizerKind, TrainingSettings


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are trained, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def make_optimizer(model: PairModel, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return AdamW (Loshchilov & Hutter 2019) over the parameters that are trained.

    The encoder's learning rate is `lr` at its top layer and lower from layer to layer (Howard & Ruder 2018, section
    3.1), and `lora.plus_ratio` times that for the matrices B of adapters; the head's is `head_lr`. Only matrices are
    decayed: never biases, norms and scalars.

    Parameters
    ----------
    model : PairModel
        On its device, with adapters where there are any.
    settings : TrainingSettings
        `lr`, `head_lr`, `layer_decay`, `weight_decay`, `lora.plus_ratio` and `optimizer` are read.

    Raises
    ------
    ConfigError
        This machine has no optimizer in 8 bits.
    """
    depths = layer_depths(model.encoder)
    top = max(depths.values(), default=0)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, weight in trained_parameters(model).items():
        lr = settings.head_lr
        if name.startswith(ENCODER_PREFIX):
            lr = settings.lr * settings.layer_decay ** (top - depths[name.removeprefix(ENCODER_PREFIX)])
            lr *= settings.lora.plus_ratio if name.endswith(LORA_B) else 1.0
        groups.setdefault((lr, weight.ndim > 1), []).append(weight)
    optimizer: torch.optim.Optimizer = _optimizer_class(settings)(
        [
            {"params": weights, "lr": lr, "weight_decay": settings.weight_decay if matrices else 0.0}
            for (lr, matrices), weights in groups.items()
        ]
    )
    return optimizer


def _optimizer_class(settings: TrainingSettings) -> Any:
    if settings.optimizer is OptimizerKind.adamw:
        return torch.optim.AdamW
    require_bitsandbytes("training.optimizer=adamw_8bit", "set training.optimizer=adamw")
    from bitsandbytes.optim import AdamW8bit

    return AdamW8bit


def layer_depths(encoder: nn.Module) -> dict[str, int]:
    """Return the depth of each weight of an encoder, by name: 0 for embeddings, i for the i-th layer.

    Other weights, such as those of a final norm or a pooler, have the depth of the top layer. An encoder without a list
    of as many layers as its config says has depth 0 throughout.
    """
    prefix, count = _layers(encoder)
    depths = {}
    for name, _ in encoder.named_parameters():
        if count and name.startswith(prefix):
            depths[name] = 1 + int(name[len(prefix) :].split(".")[0])
        else:
            depths[name] = 0 if not count or "embed" in name else count
    return depths


def _layers(encoder: Any) -> tuple[str, int]:
    """Return the prefix of the names of the encoder's layers, and their number; ("", 0) for none."""
    count = getattr(encoder.config, "num_hidden_layers", None)
    for name, module in encoder.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return f"{name}.", len(module)
    return "", 0
