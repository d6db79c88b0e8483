"""Linear layers that multiply 8-bit integers, for encoders that are only read.

Each token and each output has a scale of its own (Dettmers et al. 2022, "LLM.int8()", section 3.1, vector-wise
quantization). Sums of integers are exact: what a token comes to depends neither on the other tokens of the batch, nor
on the threads, nor on the instructions that the CPU has.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

MAX_INPUT = 127
# 7 bits: fp32 holds the sums exactly, and a CPU without VNNI adds pairs of products in 16 bits, which 8 bits overflow.
MAX_WEIGHT = 63
TINY = 1e-9  # the smallest largest magnitude: of zeros


class Int8Linear(nn.Module):
    """A linear layer whose inputs are rounded to 8 bits and whose weights are rounded to 7.

    Without units for 8-bit products the same integers are multiplied as fp32 numbers. That gives the same sums while
    they are below 2^24, which holds up to 2,097 inputs.

    Parameters
    ----------
    linear : nn.Linear
        The layer that it takes the place of, on its device, with a bias.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        scale = weight.abs().amax(dim=1).clamp_min(TINY) / MAX_WEIGHT
        integers = (weight / scale[:, None]).round().t()
        self.use_units = has_int8_units() and weight.device.type == "cpu"
        self.integers = integers.to(torch.int8) if self.use_units else integers
        self.scale, self.bias = scale / MAX_INPUT, linear.bias.detach()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return (..., n) outputs of (..., k) fp32 inputs."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        largest = rows.abs().amax(dim=1, keepdim=True).clamp_min_(TINY)
        integers = (rows * (MAX_INPUT / largest)).round_()
        if self.use_units:
            sums = torch._int_mm(integers.to(torch.int8), self.integers).float()
        else:
            sums = integers @ self.integers
        outputs = torch.addcmul(self.bias, sums.mul_(largest), self.scale)
        return outputs.view(*inputs.shape[:-1], -1)


@cache
def has_int8_units() -> bool:
    """Return whether this CPU has units for 8-bit products (VNNI or AMX), and this torch can name them and use them."""
    get_capabilities = getattr(torch.cpu, "get_capabilities", dict)  # newer than the oldest torch that is supported
    capabilities: dict[str, object] = get_capabilities()
    units = any(capabilities.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))
    available = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return units and available and hasattr(torch, "_int_mm")


def quantize(module: nn.Module) -> None:
    """Replace all linear layers in a module, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child))
        else:
            quantize(child)
