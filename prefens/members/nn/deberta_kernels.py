"""DeBERTa's attention on GPUs: the kernels of the package disentangled-flash, on sequences without padding.

DeBERTa adds relative positions to its scores (He et al. 2021, "DeBERTa", section 3.1), so the attention functions of
transformers and torch don't fit it. transformers' own eager attention is the reference, and the way wherever there
is no GPU, no package (`pip install 'prefens[gpu]'`), or a model that the kernels don't take.
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

HEAD_SIZES = (32, 64, 128)  # of the kernels


def install(encoder: Any, device: torch.device) -> bool:
    """Replace the attention of a DeBERTa by the kernels where they can run; whether so.

    It makes new parameters, equal to the old ones and of the same names: it comes before the optimizer.
    """
    config = encoder.config
    if getattr(config, "model_type", None) != "deberta-v2" or device.type != "cuda" or installed(encoder):
        return installed(encoder)
    reason = _hindrance(encoder)
    if reason is not None:
        _tell(reason)
        return False
    from disentangled_flash import optimize_deberta_training

    optimize_deberta_training(encoder, backend="triton")
    return installed(encoder)


def _hindrance(encoder: Any) -> str | None:
    """Why the kernels can't be used for a DeBERTa on a GPU, or None."""
    if find_spec("disentangled_flash") is None:
        return "pip install 'prefens[gpu]' makes it faster"
    if hasattr(encoder, "peft_config"):
        return "the fast kernels multiply by the weights themselves, past adapters"
    size = encoder.config.hidden_size // encoder.config.num_attention_heads
    if size not in HEAD_SIZES:
        return f"the fast kernels take heads of {HEAD_SIZES} units, not {size}"
    return None


@cache
def _tell(reason: str) -> None:
    log.info("DeBERTa runs with transformers' eager attention: %s", reason)


def installed(encoder: Any) -> bool:
    """Whether an encoder has the kernels."""
    return hasattr(getattr(encoder, "encoder", None), "forward_packed")


def packed_states(encoder: Any, read: dict[str, torch.Tensor], segments: Segments) -> torch.Tensor:
    """Return (1, T, d) states of (1, T) "input_ids", "position_ids" and, if the encoder has them, "token_type_ids"."""
    if hasattr(encoder, "peft_config"):
        raise BackboneError(
            "adapters on a DeBERTa that has the fast kernels",
            "either of them: the kernels would pass the adapters by",
            "add the adapters before disentangled.install, which then leaves the model as it is",
        )
    states = encoder.embeddings(**read)[0]
    longest = max(segments.lengths)
    found: torch.Tensor = encoder.encoder.forward_packed(states, segments.starts, longest).last_hidden_state
    return found.unsqueeze(0)
