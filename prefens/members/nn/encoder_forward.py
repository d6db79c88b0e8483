"""From a padded batch of tokens to states, by the fastest way that the encoder and the machine have.

Whatever the way, the states are those of the padded batch, and pairs that are shown swapped take the same arithmetic
path to the bit: sequences are first put into an order that depends on nothing but their tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from prefens.core.types import Ints
from prefens.members.nn import deberta_kernels, packed_attention
from prefens.members.nn.compiled import compiled_states_of, states_of
from prefens.members.nn.packed_attention import Segments

Run = Callable[[Any, Mapping[str, Any]], torch.Tensor]
SLACK = 0.75  # of the longest sequence of a padded group, that its shortest has at least


def encode(
    encoder: Any,
    batch: dict[str, torch.Tensor],
    types: bool,
    arithmetic: torch.dtype = torch.float32,
    compiled: bool = False,
) -> torch.Tensor:
    """Return (n, t, d) fp32 states of n sequences padded to t tokens, zeros where there is padding.

    Parameters
    ----------
    batch : "input_ids", "attention_mask" and "token_type_ids", each (n, t); padding is on the right.
    types : whether the encoder reads "token_type_ids"; arithmetic : fp32, or bf16 for the encoder's products.
    compiled : whether the encoder runs through torch.compile, which draws dropout in its own way.
    """
    order, lengths = canonical_order(batch)
    names = ("input_ids", "attention_mask", *(("token_type_ids",) if types else ()))
    place = batch["input_ids"].device
    rows = torch.from_numpy(order).to(place)
    ordered = {name: batch[name][rows] for name in names}
    with torch.autocast(place.type, torch.bfloat16, enabled=arithmetic is torch.bfloat16):
        packed = deberta_kernels.installed(encoder) or packed_attention.enable(encoder)
        run = compiled_states_of() if compiled else states_of
        states = _packed(encoder, ordered, lengths, run) if packed else _padded(encoder, ordered, lengths, run)
    found = torch.empty_like(rows)
    found[rows] = torch.arange(len(rows), device=place)
    return states.index_select(0, found)


def canonical_order(batch: dict[str, torch.Tensor]) -> tuple[Ints, Ints]:
    """Return the order of the sequences by length, then by what they hold, longest first; and the lengths so."""
    lengths = batch["attention_mask"].sum(dim=1).cpu().numpy()
    ids, seconds = batch["input_ids"].cpu().numpy(), batch["token_type_ids"].sum(dim=1).tolist()
    keys = [
        (-int(length), second, row[:length].tobytes())
        for length, second, row in zip(lengths, seconds, ids, strict=True)
    ]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
    return order, lengths[order]


def _packed(encoder: Any, batch: dict[str, torch.Tensor], lengths: Ints, run: Run) -> torch.Tensor:
    """States from one pass over the real tokens of all sequences, end to end."""
    ids, real = batch["input_ids"], batch["attention_mask"].bool()
    starts = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)).to(ids.device)
    read = {"input_ids": ids[real][None], "position_ids": positions(encoder, ids)[real][None]}
    if "token_type_ids" in batch:
        read["token_type_ids"] = batch["token_type_ids"][real][None]
    segments = Segments(tuple(lengths.tolist()), starts)
    if deberta_kernels.installed(encoder):
        states = deberta_kernels.packed_states(encoder, read, segments).float()
    else:
        states = run(encoder, {**read, "segments": segments}).float()
    padded = states.new_zeros((*ids.shape, states.shape[-1]))
    padded[real] = states[0]
    return padded


def positions(encoder: Any, ids: torch.Tensor) -> torch.Tensor:
    """Return the (n, t) position ids that the encoder itself gives to (n, t) tokens."""
    embeddings = encoder.embeddings
    if hasattr(embeddings, "create_position_ids_from_input_ids"):  # RoBERTa's kind counts from the padding id on
        own: torch.Tensor = embeddings.create_position_ids_from_input_ids(ids, embeddings.padding_idx)
        return own
    return torch.arange(ids.shape[1], device=ids.device).expand(ids.shape)


def _padded(encoder: Any, batch: dict[str, torch.Tensor], lengths: Ints, run: Run) -> torch.Tensor:
    """States from padded groups of similar length, one pass each."""
    whole = batch["input_ids"].shape[1]
    parts = []
    for rows in groups(lengths):
        group = {name: tensor[rows, : int(lengths[rows.start])] for name, tensor in batch.items()}
        states = run(encoder, group).float() * group["attention_mask"].unsqueeze(-1)
        parts.append(torch.nn.functional.pad(states, (0, 0, 0, whole - states.shape[1])))
    return torch.cat(parts)


def groups(lengths: Ints) -> Iterator[slice]:
    """Yield slices of descending lengths; in each, the shortest has at least SLACK of the longest's tokens."""
    start = 0
    while start < len(lengths):
        stop = start + int((lengths[start:] >= SLACK * lengths[start]).sum())
        yield slice(start, stop)
        start = stop
