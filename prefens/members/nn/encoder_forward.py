"""The forward pass of an encoder on a padded batch, by the fastest path that the encoder and the machine have.

Every path gives the states of the padded batch. Sequences are first sorted by an order that depends on their tokens
alone, so a pair and the same pair swapped are computed by the same operations, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from prefens.core.types import Ints
from prefens.members.nn import deberta_kernels, packed_attention
from prefens.members.nn.compiled import compiled_last_hidden_states, last_hidden_states
from prefens.members.nn.packed_attention import Segments

Forward = Callable[[Any, Mapping[str, Any]], torch.Tensor]
ORDER = ("order", "lengths")  # of a batch's sequences: what `with_order` adds
MIN_LENGTH_RATIO = 0.75  # of the shortest to the longest sequence of a padded group


def forward_states(
    encoder: Any,
    batch: dict[str, torch.Tensor],
    token_types: bool,
    compute_dtype: torch.dtype = torch.float32,
    compiled: bool = False,
) -> torch.Tensor:
    """Return the encoder's last hidden states of n sequences that are padded to t tokens.

    Parameters
    ----------
    encoder : transformers model or TextCnn
        The encoder, on the device of the batch.
    batch : dict of str to torch.Tensor, shape (n, t)
        "input_ids", "attention_mask" and "token_type_ids"; padding is on the right. With what `with_order` adds,
        nothing is read back from a GPU.
    token_types : bool
        Whether the encoder reads "token_type_ids".
    compute_dtype : torch.dtype
        float32, or bfloat16 or float16 for matrix products under autocast.
    compiled : bool
        Whether the encoder runs through torch.compile, which draws other dropout masks.

    Returns
    -------
    torch.Tensor, shape (n, t, d)
        float32; zeros where there is padding.
    """
    order, lengths = (batch[name].numpy() for name in ORDER) if ORDER[0] in batch else canonical_order(batch)
    names = ("input_ids", "attention_mask", *(("token_type_ids",) if token_types else ()))
    device = batch["input_ids"].device
    rows = on_device(torch.from_numpy(order), device)
    ordered = {name: batch[name][rows] for name in names}
    exact = compute_dtype is torch.float32
    with torch.autocast(device.type, torch.bfloat16 if exact else compute_dtype, enabled=not exact):
        packed = deberta_kernels.has_kernels(encoder) or packed_attention.enable(encoder)
        forward = compiled_last_hidden_states() if compiled else last_hidden_states
        states = _packed(encoder, ordered, lengths, forward) if packed else _padded(encoder, ordered, lengths, forward)
    inverse = torch.empty_like(rows)
    inverse[rows] = torch.arange(len(rows), device=device)
    return states.index_select(0, inverse)


def canonical_order(batch: dict[str, torch.Tensor]) -> tuple[Ints, Ints]:
    """Return the order of the sequences by length, longest first, then by content; and their lengths in that order.

    Parameters
    ----------
    batch : dict of str to torch.Tensor, shape (n, t)
        "input_ids", "attention_mask" and "token_type_ids".

    Returns
    -------
    order, lengths : int64 array, shape (n,)
        Rows of the batch, and tokens of these rows.
    """
    lengths = batch["attention_mask"].sum(dim=1).cpu().numpy()
    ids, second_lengths = batch["input_ids"].cpu().numpy(), batch["token_type_ids"].sum(dim=1).tolist()
    keys = [
        (-int(length), second_length, row[:length].tobytes())
        for length, second_length, row in zip(lengths, second_lengths, ids, strict=True)
    ]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
    return order, lengths[order]


def with_order(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a batch, which is on the host, with its `canonical_order`, which stays there."""
    return {**batch, **dict(zip(ORDER, map(torch.from_numpy, canonical_order(batch)), strict=True))}


def on_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor of the host's on a device; a GPU goes on with its work while it is copied."""
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)


def _packed(encoder: Any, batch: dict[str, torch.Tensor], lengths: Ints, forward: Forward) -> torch.Tensor:
    """Return (n, t, d) states from one pass over the real tokens of all sequences, end to end."""
    ids, device = batch["input_ids"], batch["input_ids"].device
    places = np.flatnonzero(np.arange(ids.shape[1]) < lengths[:, None])  # a mask would be read back from a GPU
    real = on_device(torch.from_numpy(places), device)
    starts = on_device(torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)), device)
    inputs = {"input_ids": ids.flatten()[real][None], "position_ids": position_ids(encoder, ids).flatten()[real][None]}
    if "token_type_ids" in batch:
        inputs["token_type_ids"] = batch["token_type_ids"].flatten()[real][None]
    segments = Segments(tuple(lengths.tolist()), starts)
    if deberta_kernels.has_kernels(encoder):
        states = deberta_kernels.packed_states(encoder, inputs, segments).float()
    else:
        states = forward(encoder, {**inputs, "segments": segments}).float()
    padded = states.new_zeros((ids.numel(), states.shape[-1]))
    padded[real] = states[0]
    return padded.view(*ids.shape, -1)


def position_ids(encoder: Any, ids: torch.Tensor) -> torch.Tensor:
    """Return the (n, t) position ids that an encoder gives to (n, t) token ids."""
    embeddings: Any = getattr(encoder, "embeddings", None)  # of a causal model: none with positions
    if hasattr(embeddings, "create_position_ids_from_input_ids"):  # RoBERTa's kind counts from the padding id on
        positions: torch.Tensor = embeddings.create_position_ids_from_input_ids(ids, embeddings.padding_idx)
        return positions
    return torch.arange(ids.shape[1], device=ids.device).expand(ids.shape)


def _padded(encoder: Any, batch: dict[str, torch.Tensor], lengths: Ints, forward: Forward) -> torch.Tensor:
    """Return (n, t, d) states from one pass over each group of sequences of similar length."""
    longest = batch["input_ids"].shape[1]
    parts = []
    for rows in length_groups(lengths):
        group = {name: tensor[rows, : int(lengths[rows.start])] for name, tensor in batch.items()}
        states = forward(encoder, group).float() * group["attention_mask"].unsqueeze(-1)
        parts.append(torch.nn.functional.pad(states, (0, 0, 0, longest - states.shape[1])))
    return torch.cat(parts)


def length_groups(lengths: Ints) -> Iterator[slice]:
    """Yield slices of (n,) descending lengths; the shortest of each is at least MIN_LENGTH_RATIO of the longest."""
    start = 0
    while start < len(lengths):
        stop = start + int((lengths[start:] >= MIN_LENGTH_RATIO * lengths[start]).sum())
        yield slice(start, stop)
        start = stop
