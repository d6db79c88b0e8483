"""DeBERTa's attention on GPUs by the kernels of the package disentangled-flash, on sequences without padding.

DeBERTa adds relative positions to its attention scores (He et al. 2021, "DeBERTa", section 3.1), so the attention
functions of transformers and torch don't fit it. Without a GPU, without the package (`pip install 'prefens[gpu]'`), or
with a model that the kernels don't support, the eager attention of transformers runs; it is also the reference.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch

from prefens.core.errors import BackboneError
from prefens.members.nn.packed_attention import Segments

log = logging.getLogger(__name__)

HEAD_SIZES = (32, 64, 128)  # units of an attention head that the kernels support


def install(encoder: Any, device: torch.device) -> bool:
    """Replace the attention of a DeBERTa by the kernels where they can run; other encoders stay as they are.

    The parameters are replaced by equal ones of the same names, so this comes before the optimizer is made.

    Parameters
    ----------
    encoder : transformers model
        Any encoder.
    device : torch.device
        Where it will run.

    Returns
    -------
    bool
        Whether the encoder now has the kernels.
    """
    if not takes_kernels(encoder.config, device) or has_kernels(encoder):
        return has_kernels(encoder)
    reason = _unsupported_reason(encoder)
    if reason is not None:
        log_fallback(reason)
        return False
    from disentangled_flash import optimize_deberta_training

    optimize_deberta_training(encoder, backend="triton")
    return has_kernels(encoder)


def takes_kernels(config: Any, device: torch.device) -> bool:
    """Return whether `install` replaces the attention of encoders with this config where it can."""
    return getattr(config, "model_type", None) == "deberta-v2" and device.type == "cuda"


def _unsupported_reason(encoder: Any) -> str | None:
    """Return why the kernels can't run a DeBERTa on a GPU, or None where they can."""
    if find_spec("disentangled_flash") is None:
        return "pip install 'prefens[gpu]' makes it faster"
    if hasattr(encoder, "peft_config"):
        return "the fast kernels multiply by the weights directly and would ignore the adapters"
    if any(weight.dtype is not torch.float32 for weight in encoder.parameters()):
        return "the fast kernels take weights in fp32"
    size = encoder.config.hidden_size // encoder.config.num_attention_heads
    if size not in HEAD_SIZES:
        return f"the fast kernels take heads of {HEAD_SIZES} units, not {size}"
    return None


@cache  # each reason is logged once
def log_fallback(reason: str) -> None:
    log.info("DeBERTa runs with transformers' eager attention: %s", reason)


def has_kernels(encoder: Any) -> bool:
    """Return whether an encoder has the kernels."""
    return hasattr(getattr(encoder, "encoder", None), "forward_packed")


def packed_states(encoder: Any, inputs: dict[str, torch.Tensor], segments: Segments) -> torch.Tensor:
    """Return the last hidden states of packed sequences, for an encoder that has the kernels.

    Parameters
    ----------
    encoder : transformers model
        A DeBERTa with the kernels.
    inputs : dict of str to torch.Tensor, shape (1, T)
        "input_ids", "position_ids" and, where the encoder reads them, "token_type_ids".
    segments : Segments
        Where each sequence lies among the T tokens.

    Returns
    -------
    torch.Tensor, shape (1, T, d)

    Raises
    ------
    BackboneError
        The encoder has adapters.
    """
    if hasattr(encoder, "peft_config"):
        raise BackboneError(
            "adapters on a DeBERTa that has the fast kernels",
            "one of the two: the kernels ignore adapters",
            "add the adapters before deberta_kernels.install, which then leaves the model as it is",
        )
    embeddings = encoder.embeddings(**inputs)[0]
    longest = max(segments.lengths)
    states: torch.Tensor = encoder.encoder.forward_packed(embeddings, segments.starts, longest).last_hidden_state
    return states.unsqueeze(0)
