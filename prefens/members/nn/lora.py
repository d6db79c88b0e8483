"""Low-rank adapters: a frozen encoder with a few trained weights beside its linear layers.

Hu et al. 2022, "LoRA: low-rank adaptation of large language models", equation 3: W x becomes
W x + (alpha / rank) B A x, where A is (rank, in) and B is (out, rank).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from prefens.core.errors import BackboneError, ConfigError

ALL_LINEAR = "all-linear"
ATTENTION = {
    "attention",
    "attn",
}  # the part of a layer's path that BERT, RoBERTa, DeBERTa, MPNet, ModernBERT, ... share
LOW, HIGH = ".lora_A.default.weight", ".lora_B.default.weight"  # how peft names A and B


@dataclass
class LoraSettings:
    """rank of the adapters; alpha / rank scales them; dropout in [0, 1) of what they read.

    targets: the linear layers that get one, by the ends of their names; None for all of attention, [all-linear] for
    every linear layer but the pooler.
    """

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    targets: list[str] | None = None

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1 or not 0.0 <= self.dropout < 1.0:
            raise ConfigError(
                f"training.lora.rank={self.rank} alpha={self.alpha} dropout={self.dropout}",
                "a rank and an alpha of 1 or more and a dropout in [0, 1)",
                "correct training.lora",
            )


def adapted_layers(encoder: nn.Module, targets: list[str] | None) -> list[str]:
    """Return the names of the linear layers that get an adapter; BackboneError where there are none."""
    linear = [name for name, part in encoder.named_modules() if isinstance(part, nn.Linear)]
    used = [name for name in linear if "pooler" not in name.split(".")]  # nothing reads what the pooler gives
    if targets is None:
        chosen = [name for name in used if ATTENTION & set(name.split("."))]
    elif targets == [ALL_LINEAR]:
        chosen = used
    else:
        chosen = [name for name in used if any(f".{name}".endswith(f".{target}") for target in targets)]
    if not chosen:
        ends = sorted({name.rsplit(".", 1)[-1] for name in used})
        raise BackboneError(
            f"training.lora.targets={targets}: the encoder has no such linear layers",
            f"ends of names such as {', '.join(ends) or '(it has no linear layers at all)'}",
            "set training.lora.targets=[all-linear], or give names",
        )
    return chosen


def add_adapters(encoder: nn.Module, settings: LoraSettings) -> None:
    """Put adapters into an encoder, in place, and freeze all its other weights. B starts at 0: nothing changes yet.

    A is drawn from torch's generator, which the caller has seeded. ConfigError where peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigError(
            "training.mode=lora, and the package peft is not installed",
            "it, for training adapters (predicting with them does not need it)",
            "pip install 'prefens[lora]'",
        ) from error
    layers = adapted_layers(encoder, settings.targets)
    chosen = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=layers
    )
    inject_adapter_in_model(chosen, encoder)


def merge_adapters(encoder: nn.Module, weights: Mapping[str, torch.Tensor], settings: LoraSettings) -> None:
    """Add adapters to the weights of the plain encoder that they were trained on, in place and in fp32.

    `weights` has them by the names that they had in the encoder. The result predicts what the encoder with its
    adapters did, at the speed of one without, and peft is not needed. ValueError where other weights are among them.
    """
    rest = {name for name in weights if not name.endswith((LOW, HIGH))}
    if rest:
        raise ValueError(f"not weights of adapters: {sorted(rest)[:3]}")
    for name in [name for name in weights if name.endswith(LOW)]:
        layer: Any = encoder.get_submodule(name.removesuffix(LOW))
        low, high = weights[name].float(), weights[name.removesuffix(LOW) + HIGH].float()
        with torch.no_grad():
            layer.weight += (settings.alpha / settings.rank) * (high @ low)
