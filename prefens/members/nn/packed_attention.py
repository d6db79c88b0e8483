"""Self-attention over sequences that lie end to end without padding, as an attention function of transformers.

A padded batch spends arithmetic on padding; here every product of an encoder sees real tokens only. Packing is that of
Krell et al. 2021, "Efficient sequence packing without cross-contamination", section 3.2, with attention kept within
each sequence by its boundaries instead of a mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from inspect import signature
from itertools import groupby
from typing import Any, cast

import torch
from torch.nn.functional import dropout as random_dropout
from torch.nn.functional import scaled_dot_product_attention

ATTENTION_NAME = "prefens_packed"  # in transformers' registry of attention functions
MODEL_TYPES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "modernbert")  # encoders that can be packed


@dataclass(frozen=True, eq=False)
class Segments:
    """Where n sequences lie among T packed tokens.

    Attributes
    ----------
    lengths : tuple of int
        Tokens of each sequence, in order, on the host.
    starts : int32 torch.Tensor, shape (n + 1,)
        The boundaries of the sequences, on the device.
    """

    lengths: tuple[int, ...]
    starts: torch.Tensor


def packed_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    segments: Segments | None = None,
    sliding_window: int | None = None,
    **ignored: Any,
) -> tuple[torch.Tensor, None]:
    """Return the attention of packed sequences; without `segments`, what transformers' "sdpa" gives for padded ones.

    Parameters
    ----------
    module : nn.Module
        The attention layer that asks.
    query, key, value : torch.Tensor, shape (1, heads, T, d)
        T packed tokens.
    attention_mask : torch.Tensor or None
        The mask of padded sequences.
    dropout : float in [0, 1)
        The share of the attention weights that is dropped.
    scaling : float or None
        The factor on the scores, None for d ** -0.5.
    segments : Segments or None
        Where each sequence lies.
    sliding_window : int or None
        One more than the distance that a token sees to either side, as transformers passes it.

    Returns
    -------
    states : torch.Tensor, shape (1, T, heads, d)
    weights : None
        Attention weights are not computed.
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
        states = nested_attention(packed, segments, dropout, scaling)
    elif query.is_cuda and query.dtype is not torch.float32 and varlen_kernel() is not None:
        states = varlen_attention(packed, segments, scaling, reach)
    else:
        states = grouped_attention(packed, segments, dropout, scaling, reach)
    return states.unsqueeze(0), None


def varlen_attention(
    packed: list[torch.Tensor], segments: Segments, scaling: float | None, reach: int | None
) -> torch.Tensor:
    """Return (T, heads, d) attention of (T, heads, d) query, key and value, by one kernel without dropout.

    `reach` is the distance in tokens that a token sees to either side, None for all.
    """
    (query, key, value), starts, longest = packed, segments.starts, max(segments.lengths)
    window = (-1, -1) if reach is None else (reach, reach)
    states = varlen_kernel()(query, key, value, starts, starts, longest, longest, scale=scaling, window_size=window)
    return cast(torch.Tensor, states)


@cache
def varlen_kernel() -> Any:
    """Return torch's kernel for packed sequences; None where this torch has none, or one without a window."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn if {"scale", "window_size"} <= signature(varlen_attn).parameters.keys() else None


def nested_attention(
    packed: list[torch.Tensor], segments: Segments, dropout: float, scaling: float | None
) -> torch.Tensor:
    """Return (T, heads, d) attention by the same kernel through nested tensors, which support dropout."""
    shortest, longest = min(segments.lengths), max(segments.lengths)
    nested = [
        torch.nested.nested_tensor_from_jagged(part, segments.starts, min_seqlen=shortest, max_seqlen=longest)
        for part in packed
    ]
    query, key, value = (part.transpose(1, 2) for part in nested)
    states = scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scaling)
    return states.transpose(1, 2).values()


def grouped_attention(
    packed: list[torch.Tensor], segments: Segments, dropout: float, scaling: float | None, reach: int | None
) -> torch.Tensor:
    """Return (T, heads, d) attention of neighbours of equal length together: the reference, and what CPUs use."""
    parts, start = [], 0
    for length, group in groupby(segments.lengths):
        count = len(list(group))
        stop = start + count * length
        query, key, value = (part[start:stop].view(count, length, *part.shape[1:]).transpose(1, 2) for part in packed)
        window = None if reach is None else _window_mask(length, reach, query.device)
        parts.append(_attend(query, key, value, window, dropout, scaling).transpose(1, 2).flatten(0, 1))
        start = stop
    return torch.cat(parts)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    window: torch.Tensor | None,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """Return attention of (count, heads, length, d) tensors.

    On CPUs scaled_dot_product_attention has no fast kernel for bf16 in training: two products with bf16 matrix units
    were faster by far (experiments/benchmarks.md). The softmax computes in fp32 whatever its inputs are.
    """
    if query.dtype is torch.float32 or query.is_cuda:
        return scaled_dot_product_attention(query, key, value, attn_mask=window, dropout_p=dropout, scale=scaling)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = (query * scale) @ key.transpose(-1, -2)
    if window is not None:
        scores = scores.masked_fill(~window, float("-inf"))
    return random_dropout(torch.softmax(scores, dim=-1), dropout) @ value


def _window_mask(length: int, reach: int, device: torch.device) -> torch.Tensor:
    """Return (length, length): whether two tokens are at most `reach` apart."""
    places = torch.arange(length, device=device)
    return (places[:, None] - places[None, :]).abs() <= reach


def _mask(attention_mask: torch.Tensor | None = None, **arguments: Any) -> torch.Tensor | None:
    """Return sdpa's mask for padded batches. Packed ones come without a mask, and need none: it would be (T, T)."""
    from transformers.masking_utils import sdpa_mask

    if attention_mask is None:
        return None
    mask: torch.Tensor | None = sdpa_mask(attention_mask=attention_mask, **arguments)
    return mask


def enable(encoder: Any) -> bool:
    """Let an encoder read packed sequences where its family can; padded ones still work. Return whether it can."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    if getattr(encoder.config, "model_type", None) not in MODEL_TYPES:
        return False
    if not hasattr(encoder, "set_attn_implementation"):
        return False
    if encoder.config._attn_implementation != ATTENTION_NAME:
        if ATTENTION_NAME not in AttentionInterface._global_mapping:
            AttentionInterface.register(ATTENTION_NAME, packed_attention)
            AttentionMaskInterface.register(ATTENTION_NAME, _mask)
        encoder.set_attn_implementation(ATTENTION_NAME)
    return True
