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
MODEL_TYPES = (  # encoders and causal models that can be packed
    "bert", "roberta", "xlm-roberta", "camembert", "electra", "modernbert",
    "llama", "qwen2", "qwen3", "gemma2", "gemma3_text", "mistral", "phi3",
)  # fmt: skip


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


@dataclass(frozen=True)
class Scores:
    """How scores are made of queries and keys, and which of a sequence's tokens a token sees.

    Attributes
    ----------
    scaling : float or None
        The factor on the scores, None for d ** -0.5.
    causal : bool
        Whether a token sees nothing that follows it.
    reach : int or None
        The distance in tokens that it sees to the left and, unless causal, to the right; None for all.
    softcap : float or None
        The scores are softcap * tanh(scores / softcap) (Gemma-2); None for the scores themselves.
    """

    scaling: float | None = None
    causal: bool = False
    reach: int | None = None
    softcap: float | None = None

    def mask(self, length: int, device: torch.device) -> torch.Tensor | None:
        """Return (length, length): whether the token of a row sees that of a column; None where it sees all."""
        if self.reach is None and not self.causal:
            return None
        places = torch.arange(length, device=device)
        ahead = places[None, :] - places[:, None]
        seen = ahead <= (0 if self.causal else length)
        return seen if self.reach is None else seen & (ahead.abs() <= self.reach)


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
    softcap: float | None = None,
    **ignored: Any,
) -> tuple[torch.Tensor, None]:
    """Return the attention of packed sequences; without `segments`, what transformers' "sdpa" gives for padded ones.

    Parameters
    ----------
    module : nn.Module
        The attention layer that asks.
    query, key, value : torch.Tensor, shape (1, heads, T, d)
        T packed tokens; keys and values may have fewer heads, each for several of the queries'.
    attention_mask : torch.Tensor or None
        The mask of padded sequences.
    dropout : float in [0, 1)
        The share of the attention weights that is dropped.
    scaling : float or None
        The factor on the scores, None for d ** -0.5.
    segments : Segments or None
        Where each sequence lies.
    sliding_window : int or None
        One more than the distance that a token sees to a side, as transformers passes it.
    softcap : float or None
        As in `Scores`.

    Returns
    -------
    states : torch.Tensor, shape (1, T, heads, d)
    weights : None
        Attention weights are not computed.
    """
    query, key, value = (_repeated(part, query.shape[1]) for part in (query, key, value))
    longest = query.shape[2] if segments is None else max(segments.lengths)
    reach = None if sliding_window is None or sliding_window >= longest else sliding_window - 1
    scores = Scores(scaling, bool(getattr(module, "is_causal", False)), reach, softcap)
    if segments is None:
        return _attend(query, key, value, attention_mask, dropout, scores).transpose(1, 2).contiguous(), None
    packed = [part[0].transpose(0, 1) for part in (query, key, value)]  # (T, heads, d)
    if query.is_cuda and dropout > 0 and scores == Scores(scaling):
        states = nested_attention(packed, segments, dropout, scaling)
    elif query.is_cuda and dropout == 0 and softcap is None and query.dtype is not torch.float32 and varlen_kernel():
        states = varlen_attention(packed, segments, scores)
    else:
        states = grouped_attention(packed, segments, dropout, scores)
    return states.unsqueeze(0), None


def _repeated(part: torch.Tensor, heads: int) -> torch.Tensor:
    """Return keys or values (n, heads / m, t, d) with each head m times, one for each head of the queries."""
    return part if part.shape[1] == heads else part.repeat_interleave(heads // part.shape[1], dim=1)


def varlen_attention(packed: list[torch.Tensor], segments: Segments, scores: Scores) -> torch.Tensor:
    """Return (T, heads, d) attention of (T, heads, d) query, key and value, by one kernel without dropout."""
    (query, key, value), starts, longest = packed, segments.starts, max(segments.lengths)
    left = -1 if scores.reach is None else scores.reach
    window = (left, 0 if scores.causal else left)
    states = varlen_kernel()(
        query, key, value, starts, starts, longest, longest, scale=scores.scaling, window_size=window
    )
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


def grouped_attention(packed: list[torch.Tensor], segments: Segments, dropout: float, scores: Scores) -> torch.Tensor:
    """Return (T, heads, d) attention of neighbours of equal length together: the reference, and what CPUs use."""
    parts, start = [], 0
    for length, group in groupby(segments.lengths):
        count = len(list(group))
        stop = start + count * length
        query, key, value = (part[start:stop].view(count, length, *part.shape[1:]).transpose(1, 2) for part in packed)
        parts.append(_attend(query, key, value, None, dropout, scores).transpose(1, 2).flatten(0, 1))
        start = stop
    return torch.cat(parts)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    seen: torch.Tensor | None,
    dropout: float,
    scores: Scores,
) -> torch.Tensor:
    """Return attention of (count, heads, length, d) tensors.

    `seen` is a bool mask that broadcasts to their scores; None where all tokens are real.

    On CPUs scaled_dot_product_attention has no fast kernel for bf16 in training: two products with bf16 matrix units
    were faster by far (experiments/benchmarks.md). The softmax computes in fp32 whatever its inputs are.
    """
    fused = scores.softcap is None and (query.dtype is torch.float32 or query.is_cuda)
    if seen is None and (scores.reach is not None or not fused):
        seen = scores.mask(query.shape[2], query.device)
    if fused:
        causal = scores.causal and seen is None
        return scaled_dot_product_attention(
            query, key, value, attn_mask=seen, dropout_p=dropout, is_causal=causal, scale=scores.scaling
        )
    scale = query.shape[-1] ** -0.5 if scores.scaling is None else scores.scaling
    products = (query * scale) @ key.transpose(-1, -2)
    if scores.softcap is not None:
        products = torch.tanh(products / scores.softcap) * scores.softcap
    if seen is not None:
        products = products.masked_fill(~seen, torch.finfo(products.dtype).min)  # a row of padding may see nothing
    return random_dropout(torch.softmax(products, dim=-1), dropout) @ value


def _mask(attention_mask: torch.Tensor | None = None, **arguments: Any) -> torch.Tensor | None:
    """Return sdpa's bool mask for padded batches. Packed ones come without one, and need none: it would be (T, T)."""
    from transformers.masking_utils import sdpa_mask

    if attention_mask is None:
        return None
    mask: torch.Tensor | None = sdpa_mask(
        attention_mask=attention_mask, **(arguments | {"allow_is_causal_skip": False})
    )
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
