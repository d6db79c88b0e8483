"""How the weights of a backbone that is not trained are held: in 32, 16 or about 4 bits, and which layers of them.

Only large matrices are held in fewer bits: those of linear layers, and the token embeddings. Norms, biases and the
states between layers stay fp32, and products are computed in `training.precision` whatever the weights are held in.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

from prefens.core.errors import BackboneError, ConfigError


class WeightType(Enum):
    """The settings of `backbone.dtype`."""

    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"

    @property
    def torch_dtype(self) -> torch.dtype:
        """The type of torch."""
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.name]


class Quantization(Enum):
    """The settings of `backbone.quant`.

    Attributes
    ----------
    nf4
        4-bit normal floats with doubly quantized scales (Dettmers et al. 2023, "QLoRA", section 3); needs CUDA.
    """

    nf4 = "nf4"


@dataclass(frozen=True)
class WeightFormat:
    """How the weights of a backbone are held.

    Attributes
    ----------
    dtype : WeightType
        Of linear layers and token embeddings; of the embeddings alone where linear layers are quantized.
    quant : Quantization or None
        Of the linear layers.
    layers : int or None
        The layers that are read, from the lowest; None for all. Those above are not loaded.
    compute_dtype : torch.dtype
        The precision of products with quantized weights.
    """

    dtype: WeightType = WeightType.fp32
    quant: Quantization | None = None
    layers: int | None = None
    compute_dtype: torch.dtype = torch.float32

    @property
    def exact(self) -> bool:
        """Whether the weights are the fp32 ones, so that adapters may be merged into them."""
        return self.dtype is WeightType.fp32 and self.quant is None

    @property
    def signature(self) -> str:
        """What joins the keys of caches of states: empty for all layers in fp32."""
        quant = None if self.quant is None else self.quant.name
        return "" if self.exact and self.layers is None else f" {self.dtype.name} {quant} {self.layers} layers"


FP32 = WeightFormat()


def limit_layers(config: Any, layers: int | None) -> Any:
    """Return a transformers config of the lowest `layers` alone, changed in place; None for all of them.

    The model's final norm is applied to the states of its new top layer.

    Raises
    ------
    ConfigError
        The model has fewer.
    """
    if layers is None:
        return config
    count = config.num_hidden_layers
    if not 1 <= layers <= count:
        raise ConfigError(f"backbone.layers={layers}", f"1 to {count}, the model's layers", "correct backbone.layers")
    if getattr(config, "layer_types", None) is not None:
        config.layer_types = config.layer_types[:layers]
    config.num_hidden_layers = layers
    return config


class HeldLinear(nn.Linear):
    """A linear layer that is not trained: its matrix is held in 16 bits, and products are computed in the inputs' type.

    Parameters
    ----------
    layer : nn.Linear
        Its matrix and its bias are shared.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight.requires_grad_(False), layer.bias

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return (..., out) products of (..., in) inputs."""
        if torch.is_autocast_enabled(input.device.type):  # which brings both to its own type
            return super().forward(input)
        product: torch.Tensor = _HeldProduct.apply(input, self.weight)  # type: ignore[no-untyped-call]
        return product if self.bias is None else product + self.bias


class _HeldProduct(torch.autograd.Function):
    """x W^T in the type of x. The gradients keep W as it is held: autograd would keep a copy in 32 bits."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weight)
        return linear(inputs, weight.to(inputs.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (weight,) = ctx.saved_tensors
        return gradient @ weight.to(gradient.dtype), None


def held_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that are held in `backbone.dtype`, by name: of linear layers, and the token embeddings."""
    embeddings: nn.Module = model.get_input_embeddings()  # type: ignore[operator]
    held = {id(part.weight) for part in model.modules() if isinstance(part, nn.Linear) or part is embeddings}
    return {name: weight for name, weight in model.named_parameters() if id(weight) in held}


def hold(encoder: Any, form: WeightFormat) -> None:
    """Let an encoder whose weights were read in 16 or 4 bits compute from them, in place.

    Raises
    ------
    BackboneError
        A weight is too large for fp16.
    """
    held = held_weights(encoder)
    if form.dtype is WeightType.fp16:
        for name, weight in held.items():
            if weight.dtype is torch.float16 and not torch.isfinite(weight).all():
                raise BackboneError(f"{name} has weights beyond 65504", "what fp16 can hold", "set backbone.dtype=bf16")
    for name, weight in encoder.named_parameters():
        if name not in held:
            weight.data = weight.data.float()
    for name, part in list(encoder.named_modules()):
        if type(part) is nn.Linear:  # a quantized layer is of a type of its own
            encoder.set_submodule(name, HeldLinear(part))
    encoder.get_input_embeddings().register_forward_hook(lambda _, inputs, states: states.float())


def quantized_loading(form: WeightFormat) -> dict[str, Any]:
    """Return the arguments by which `from_pretrained` quantizes as it reads; ConfigError as `require_bitsandbytes`."""
    if form.quant is None:
        return {}
    require_bitsandbytes(f"backbone.quant={form.quant.name}", "set backbone.quant=null backbone.dtype=bf16")
    from transformers import BitsAndBytesConfig

    settings = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type=form.quant.name, bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=form.compute_dtype,
    )  # fmt: skip
    return {"quantization_config": settings, "device_map": {"": torch.cuda.current_device()}}


def require_bitsandbytes(setting: str, instead: str) -> None:
    """Check that there is CUDA and the package bitsandbytes, which `setting` needs.

    Raises
    ------
    ConfigError
        One of them is missing; the error says what to do `instead`.
    """
    if find_spec("bitsandbytes") is None:
        do = f"pip install 'prefens[gpu]', or {instead}"
        raise ConfigError(f"{setting}, and the package bitsandbytes is not installed", "bitsandbytes on CUDA", do)
    if not torch.cuda.is_available():
        raise ConfigError(f"{setting} on a machine without CUDA", "an NVIDIA GPU, which bitsandbytes needs", instead)
