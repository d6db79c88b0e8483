"""In which arithmetic an encoder's products are done.

`training.precision` is part of the recipe as it is written, `auto` included: like the thread count, what `auto`
comes to belongs to the machine, moves probabilities by rounding only, and is noted among the facts of each fold run.
Bits repeat on the same machine. Whoever wants the same arithmetic everywhere writes fp32.
"""

from __future__ import annotations

from enum import Enum

import torch


class Precision(Enum):
    """auto: bf16 where the device has units for it, else fp32; bf16: everywhere, however slow."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


def arithmetic(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the type of the encoder's products on a device; weights, pooling, head and loss are fp32 always."""
    if precision is Precision.auto:
        return torch.bfloat16 if has_bf16(device) else torch.float32
    return torch.bfloat16 if precision is Precision.bf16 else torch.float32


def has_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bf16 matrices faster than fp32 ones: not where it is emulated."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    described: dict[str, object] = getattr(
        torch.cpu, "get_capabilities", dict
    )()  # newer than the oldest torch that we take
    return bool(described.get("avx512_bf16") or described.get("amx_bf16"))


def name_of(dtype: torch.dtype) -> str:
    """Return "bf16" or "fp32"."""
    return "bf16" if dtype is torch.bfloat16 else "fp32"
