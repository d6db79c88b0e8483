"""The precision of an encoder's matrix products.

`training.precision` enters the recipe as it is written, `auto` included. What `auto` resolves to depends on the
machine, as the number of threads does: it moves probabilities by rounding only, and each fold run records it among its
metrics. The same machine gives the same bits. Use fp32 for the same precision on all machines.
"""

from __future__ import annotations

from enum import Enum

import torch


class Precision(Enum):
    """The settings of `training.precision`.

    Attributes
    ----------
    auto
        bf16 where the device has units for it, else fp32.
    fp32
        On every device.
    bf16
        On every device, however slow.
    fp16
        Fp16 in prediction, for GPUs without bf16, and fp32 in training, whose gradients fp16 would lose.
    """

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the type of the encoder's matrix products on a device; weights, pooling, head and loss are fp32 always."""
    if precision is Precision.auto:
        return torch.bfloat16 if has_bf16(device) else torch.float32
    return {Precision.bf16: torch.bfloat16, Precision.fp16: torch.float16}.get(precision, torch.float32)


def has_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies bf16 matrices faster than fp32 ones; false where bf16 is emulated."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    get_capabilities = getattr(torch.cpu, "get_capabilities", dict)  # newer than the oldest torch that is supported
    capabilities: dict[str, object] = get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def dtype_name(dtype: torch.dtype) -> str:
    """Return "bf16", "fp16" or "fp32"."""
    return {torch.bfloat16: "bf16", torch.float16: "fp16"}.get(dtype, "fp32")
