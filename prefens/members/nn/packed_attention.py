"""Self-attention over sequences that lie end to end without padding, as an attention function of transformers.

A padded batch spends its arithmetic on padding too; here every product of an encoder sees real tokens only. Packing is
that of Krell et al. 2021, "Efficient sequence packing without cross-contamination", section 3.2, with attention kept
within each sequence by its boundaries instead of a mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from inspect import signature
from itertools import groupby
from typing import Any, cast

import torch
from torch.nn.functional import dropout as drop
from torch.nn.functional import scaled_dot_product_attention

NAME = "prefens_unpadded"
FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "modernbert")  # positions and attention are ours


@dataclass(frozen=True, eq=False)
class Segments:
    """Where n sequences of T tokens lie.

    Attributes
    ----------
    lengths : tokens of each sequence, in order, on the host; starts : (n + 1,) int32 boundaries, on the device.
    """

    lengths: tuple[int, ...]
    starts: torch.Tensor


def unpadded_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    segments: Segments | None = None,
    sliding_window: int | None = None,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Return (1, T, heads, d) for (1, heads, T, d) inputs; without `segments`, what "sdpa" returns for padded ones.

    `sliding_window` is one more than the distance that a token sees to either side, as transformers passes it.
    """
    if segments is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        padded, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=False
        )
        return padded, None
    reach = None if sliding_window is None or sliding_window >= max(segments.lengths) else sliding_window - 1
    packed = [part[0].transpose(0, 1) for part in (query, key, value)]  # (T, heads, d)
    if query.is_cuda and reach is None and dropout > 0:
        states = _jagged(packed, segments, dropout, scaling)
    elif query.is_cuda and query.dtype is not torch.float32 and _kernel() is not None:
        states = _flash(packed, segments, scaling, reach)
    else:
        states = _grouped(packed, segments, dropout, scaling, reach)
    return states.unsqueeze(0), None


def _flash(packed: list[torch.Tensor], segments: Segments, scaling: float | None, reach: int | None) -> torch.Tensor:
    """One kernel for all sequences; it has no dropout."""
    (query, key, value), starts, longest = packed, segments.starts, max(segments.lengths)
    window = (-1, -1) if reach is None else (reach, reach)
    states = _kernel()(query, key, value, starts, starts, longest, longest, scale=scaling, window_size=window)
    return cast(torch.Tensor, states)


@cache
def _kernel() -> Any:
    """Return torch's attention over sequences end to end; None where this torch has none, or one without a window."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn if {"scale", "window_size"} <= signature(varlen_attn).parameters.keys() else None


def _jagged(packed: list[torch.Tensor], segments: Segments, dropout: float, scaling: float | None) -> torch.Tensor:
    """The same kernel by way of nested tensors, which pass dropout on."""
    shortest, longest = min(segments.lengths), max(segments.lengths)
    nested = [
        torch.nested.nested_tensor_from_jagged(part, segments.starts, min_seqlen=shortest, max_seqlen=longest)
        for part in packed
    ]
    query, key, value = (part.transpose(1, 2) for part in nested)
    states = scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scaling)
    return states.transpose(1, 2).values()


def _grouped(
    packed: list[torch.Tensor], segments: Segments, dropout: float, scaling: float | None, reach: int | None
) -> torch.Tensor:
    """Neighbours of equal length together: the reference, and the way of CPUs."""
    parts, start = [], 0
    for length, group in groupby(segments.lengths):
        count = len(list(group))
        stop = start + count * length
        query, key, value = (part[start:stop].view(count, length, *part.shape[1:]).transpose(1, 2) for part in packed)
        near = None if reach is None else _band(length, reach, query.device)
        parts.append(_attend(query, key, value, near, dropout, scaling).transpose(1, 2).flatten(0, 1))
        start = stop
    return torch.cat(parts)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    near: torch.Tensor | None,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """Attention of (count, heads, length, d).

    On CPUs scaled_dot_product_attention has no fast kernel for bf16 in training: two products with bf16 matrix units
    were faster by far where it was measured (experiments/benchmarks.md). Softmax computes
    in fp32 inside whatever it is given.
    """
    if query.dtype is torch.float32 or query.is_cuda:
        return scaled_dot_product_attention(query, key, value, attn_mask=near, dropout_p=dropout, scale=scaling)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = (query * scale) @ key.transpose(-1, -2)
    if near is not None:
        scores = scores.masked_fill(~near, float("-inf"))
    return drop(torch.softmax(scores, dim=-1), dropout) @ value


def _band(length: int, reach: int, device: torch.device) -> torch.Tensor:
    places = torch.arange(length, device=device)
    return (places[:, None] - places[None, :]).abs() <= reach


def _mask(attention_mask: torch.Tensor | None = None, **described: Any) -> torch.Tensor | None:
    """Padded batches get sdpa's mask. Packed ones come without a mask, and none is built: it would be (T, T)."""
    from transformers.masking_utils import sdpa_mask

    if attention_mask is None:
        return None
    mask: torch.Tensor | None = sdpa_mask(attention_mask=attention_mask, **described)
    return mask


def enable(encoder: Any) -> bool:
    """Let an encoder read packed sequences, where it is of a family that can; whether so. Padded ones still work."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    if getattr(encoder.config, "model_type", None) not in FAMILIES or not hasattr(encoder, "set_attn_implementation"):
        return False
    if encoder.config._attn_implementation != NAME:
        if NAME not in AttentionInterface._global_mapping:
            AttentionInterface.register(NAME, unpadded_attention)
            AttentionMaskInterface.register(NAME, _mask)
        encoder.set_attn_implementation(NAME)
    return True
