"""Low-rank adapters: a frozen encoder with a few trained weights beside its linear layers.

Hu et al. 2022, "LoRA: low-rank adaptation of large language models", equation 3: W x becomes
W x + (alpha / rank) B A x, where A is (rank, in) and B is (out, rank).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from prefens.core.errors import BackboneError, ConfigError
from prefens.core.hashing import neutral

ALL_LINEAR = "all-linear"
# The part of a layer's path that BERT, RoBERTa, DeBERTa, MPNet, ModernBERT, ... share.
ATTENTION = {"attention", "attn"}
LORA_A, LORA_B = ".lora_A.default.weight", ".lora_B.default.weight"  # peft's names of A and B


@dataclass
class LoraSettings:
    """The settings of the group `training.lora`.

    Attributes
    ----------
    rank : int, at least 1
        The rank of the adapters.
    alpha : int, at least 1
        alpha / rank scales what an adapter adds.
    dropout : float in [0, 1)
        The share of an adapter's inputs that a training step drops.
    targets : list of str or None
        The linear layers that get an adapter, by the ends of their names; [all-linear] for all but the pooler's; None
        for those of attention, and for all of a causal model.
    plus_ratio : float, at least 1
        The learning rate of the matrices B over that of A (Hayou et al. 2024, "LoRA+: efficient low rank adaptation of
        large models", section 4); 1 for plain LoRA.

    Raises
    ------
    ConfigError
        A value is out of its range.
    """

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    targets: list[str] | None = None
    plus_ratio: float = field(default=1.0, metadata=neutral(1.0))

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1 or not 0.0 <= self.dropout < 1.0:
            raise ConfigError(
                f"training.lora.rank={self.rank} alpha={self.alpha} dropout={self.dropout}",
                "a rank and an alpha of 1 or more and a dropout in [0, 1)",
                "correct training.lora",
            )
        if not 1.0 <= self.plus_ratio < float("inf"):
            raise ConfigError(f"training.lora.plus_ratio={self.plus_ratio}", "1 or more", "set it to 1, or to 4 to 16")


def adapted_layers(encoder: nn.Module, targets: list[str] | None) -> list[str]:
    """Return the names of the linear layers that get an adapter.

    Parameters
    ----------
    encoder : nn.Module
        The encoder without adapters.
    targets : list of str or None
        As in `LoraSettings`.

    Raises
    ------
    BackboneError
        No layer matches the targets.
    """
    linear = [name for name, part in encoder.named_modules() if isinstance(part, nn.Linear)]
    used = [name for name in linear if "pooler" not in name.split(".")]  # nothing reads what the pooler gives
    if targets is None:
        layers = [name for name in used if ATTENTION & set(name.split("."))]
    elif targets == [ALL_LINEAR]:
        layers = used
    else:
        layers = [name for name in used if any(f".{name}".endswith(f".{target}") for target in targets)]
    if not layers:
        ends = sorted({name.rsplit(".", 1)[-1] for name in used})
        raise BackboneError(
            f"training.lora.targets={targets}: the encoder has no such linear layers",
            f"ends of names such as {', '.join(ends) or '(it has no linear layers at all)'}",
            "set training.lora.targets=[all-linear], or give names",
        )
    return layers


def add_adapters(encoder: nn.Module, settings: LoraSettings) -> None:
    """Put adapters into an encoder, in place, and freeze all its other weights.

    A is drawn from torch's generator, which the caller has seeded. B is zero, so the encoder's states don't change.

    Parameters
    ----------
    encoder : nn.Module
        The plain encoder.
    settings : LoraSettings
        Rank, scale, dropout and layers.

    Raises
    ------
    BackboneError
        No layer matches `settings.targets`.
    ConfigError
        The package peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ConfigError(
            "training.mode=lora, and the package peft is not installed",
            "peft, for training adapters (predicting with them does not need it)",
            "pip install 'prefens[lora]'",
        ) from error
    layers = adapted_layers(encoder, settings.targets)
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=layers
    )
    inject_adapter_in_model(config, encoder)
    for weight in encoder.parameters():
        if weight.requires_grad:  # peft makes adapters in the type of the layer beside them
            weight.data = weight.data.float()


class Adapters(nn.Module):
    """Adapters of one model, apart from an encoder that other models share: they work while `on` is open.

    They compute what peft does in training, and need no peft.

    Parameters
    ----------
    encoder : nn.Module
        The plain encoder, which is not changed.
    weights : mapping of str to torch.Tensor
        A and B by their names in the encoder with adapters.
    settings : LoraSettings
        Those of the training.

    Raises
    ------
    ValueError
        Other weights are among the adapters, or such as don't fit the encoder's layers.
    """

    def __init__(self, encoder: nn.Module, weights: Mapping[str, torch.Tensor], settings: LoraSettings) -> None:
        super().__init__()
        self.layers = [name for name, _, _ in layer_adapters(encoder, weights)]
        pairs = [(a.float(), b.float()) for _, a, b in layer_adapters(encoder, weights)]
        self.a, self.b = (nn.ParameterList([nn.Parameter(pair[i], False) for pair in pairs]) for i in (0, 1))
        self.scale = settings.alpha / settings.rank

    @contextmanager
    def on(self, encoder: nn.Module) -> Iterator[None]:
        """Have the layers of the encoder add what these adapters give, within the block."""
        hooks = [
            encoder.get_submodule(name).register_forward_hook(self._adding(a, b))
            for name, a, b in zip(self.layers, self.a, self.b, strict=True)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _adding(self, a: torch.Tensor, b: torch.Tensor) -> Any:
        def add(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
            low = nn.functional.linear(inputs[0].to(a.dtype), a)
            return (output + nn.functional.linear(low, b) * self.scale).to(output.dtype)

        return add


def layer_adapters(
    encoder: nn.Module, weights: Mapping[str, torch.Tensor]
) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    """Return the name of each adapted layer, with its A and B; ValueError where they don't fit the encoder."""
    names = [name.removesuffix(LORA_A) for name in weights if name.endswith(LORA_A)]
    others = weights.keys() - {name + end for name in names for end in (LORA_A, LORA_B)}
    if others:
        raise ValueError(f"not weights of adapters: {sorted(others)[:3]}")
    adapters = [(name, weights[name + LORA_A], weights[name + LORA_B]) for name in names]
    for name, a, b in adapters:
        layer: Any = encoder.get_submodule(name)
        if (a.shape[1], b.shape[0], a.shape[0]) != (layer.in_features, layer.out_features, b.shape[1]):
            raise ValueError(f"adapters of the shapes {tuple(a.shape)} and {tuple(b.shape)} for {name}, {layer}")
    return adapters


def merge_adapters(encoder: nn.Module, adapters: Mapping[str, torch.Tensor], settings: LoraSettings) -> None:
    """Add adapters to the weights of the plain encoder that they were trained on, in place and in fp32.

    The result predicts what the encoder with its adapters did, to rounding, by kernels that read the weights directly.

    Parameters
    ----------
    encoder : nn.Module
        The plain encoder.
    adapters : mapping of str to torch.Tensor
        A and B by their names in the encoder with adapters.
    settings : LoraSettings
        Those of the training.

    Raises
    ------
    ValueError
        As `Adapters`.
    """
    for name, a, b in layer_adapters(encoder, adapters):
        layer: Any = encoder.get_submodule(name)
        with torch.no_grad():
            layer.weight += (settings.alpha / settings.rank) * (b.float() @ a.float())
