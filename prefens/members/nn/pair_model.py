"""The pair model: an encoder reads the sequences of a pair, and a head makes logits of their states."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from math import log
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from prefens.core.errors import TrainingError
from prefens.core.types import SWAP
from prefens.data.text.tokens import PairTokens
from prefens.data.text.truncation import Tokens
from prefens.members.nn.encoder_features import EncoderFeatures
from prefens.members.nn.encoder_forward import forward_states
from prefens.members.nn.frozen_encoder import FrozenEncoder
from prefens.members.nn.heads import HeadSettings, make_head
from prefens.members.nn.lora import Adapters
from prefens.members.nn.pairing import Pairing

Batch = dict[str, torch.Tensor]


class PairModel(nn.Module):
    """An encoder and a head, for either pairing.

    Parameters
    ----------
    encoder : transformers model, TextCnn or FrozenEncoder
        Makes token states of sequences.
    settings : HeadSettings
        Describe the head.
    pairing : Pairing
        Which two sequences a pair is.
    style : tuple of int, (p, q)
        The numbers of odd and even style features in the batches, (0, 0) where the head reads none.
    n_outcomes : int
        K, 2 or 3.

    Attributes
    ----------
    head : Head
        Makes logits of states.
    needs_both : bool
        Whether training needs both sequences of a pair. Only a cross pairing with a head that is not symmetric learns
        from one sequence; prediction reads both in any case.
    token_types : bool
        Whether the encoder reads "token_type_ids".
    compute_dtype : torch.dtype
        float32, bfloat16 or float16, of the encoder's matrix products; weights, pooling and head are float32 always,
        and so is training in place of float16.
    second_order_below : float or None
        As in `PairingSettings`.
    compiled : bool
        Whether training runs the encoder through torch.compile.
    adapters : Adapters or None
        Of a stored model, beside an encoder that it shares with others.
    """

    compute_dtype: torch.dtype = torch.float32
    second_order_below: float | None = None
    compiled: bool = False

    def __init__(
        self,
        encoder: Any,
        settings: HeadSettings,
        pairing: Pairing = Pairing.siamese,
        style: tuple[int, int] = (0, 0),
        n_outcomes: int = 3,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.adapters: Adapters | None = None
        self.settings = settings
        self.head = make_head(settings, encoder.config.hidden_size, sum(style), pairing, n_outcomes)
        self.needs_both = pairing is Pairing.siamese or self.head.symmetric
        self.token_types = getattr(encoder.config, "type_vocab_size", 0) > 1

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return (n, K) logits for a batch of n pairs, as `pair_batch` makes it; A and B as the batch shows them."""
        return self._logits(*self.vectors(batch))

    def log_probabilities(self, batch: Batch) -> torch.Tensor:
        """Return (n, K) float64 log probabilities for a batch with both sequences, swap-symmetric by construction.

        A head that is not symmetric predicts both orders, and the two predictions are averaged in probability.
        """
        a, b = self.vectors(batch)
        ab = self._logits(a, b).double().log_softmax(dim=1)
        if self.head.symmetric:
            return ab
        ba = self._logits(b, a).double().log_softmax(dim=1)
        return torch.logaddexp(ab, ba[:, SWAP[: ba.shape[1]].tolist()]) - log(2.0)

    def vectors(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Return one (n, size) vector for each sequence of a pair in the batch: the head's inputs.

        Style features are appended as each response's own: odd ones change sign from the first vector to the second.
        """
        pooled = torch.split(self.pooled(batch).float(), len(batch["rows"]))
        if "odd" not in batch:
            return tuple(pooled)
        signs = (1.0, -1.0)[: len(pooled)]
        odd, even = batch["odd"], batch["even"]
        return tuple(torch.cat([vector, sign * odd, even], dim=1) for vector, sign in zip(pooled, signs, strict=True))

    def pooled(self, batch: Batch) -> torch.Tensor:
        """Return (m, size) pooled vectors of the batch's m sequences; precomputed ones are returned as they are."""
        if "pooled" in batch:
            return batch["pooled"]
        return self.head.pool(self.states(batch), batch["attention_mask"])

    def states(self, batch: Batch) -> torch.Tensor:
        """Return (m, t, d) token states of the batch's m sequences; precomputed ones are returned as they are.

        Raises
        ------
        TrainingError
            In float16, a state is too large for it.
        """
        if "states" in batch:
            return batch["states"].float()
        frozen = isinstance(self.encoder, FrozenEncoder)
        encoder = self.encoder.on(batch["input_ids"].device) if frozen else self.encoder
        half = self.compute_dtype is torch.float16
        dtype = torch.float32 if half and self.training else self.compute_dtype
        with nullcontext() if self.adapters is None else self.adapters.on(encoder):
            states = forward_states(encoder, batch, self.token_types, dtype, self.compiled and self.training)
        if half and not states.isfinite().all():
            expected = "states that fp16 can hold, at most 65504"
            raise TrainingError("a state of the backbone that is not finite", expected, "set training.precision=fp32")
        return states.half().float() if frozen and self.encoder.round_to_fp16 else states

    def _logits(self, *vectors: torch.Tensor) -> torch.Tensor:
        """Return the head's (n, K) logits; in fp32, since bf16 has no more than three digits for them."""
        with torch.autocast(vectors[0].device.type, enabled=False):
            logits: torch.Tensor = self.head(*vectors[: self.head.n_vectors])
        return logits


def pad(sequences: list[tuple[Tokens, int]], padding: int) -> Batch:
    """Return the padded batch of n token sequences.

    Parameters
    ----------
    sequences : list of (int32 array, int)
        Token ids, and the length of the first segment.
    padding : int
        The token id that fills shorter sequences.

    Returns
    -------
    dict of str to torch.Tensor, shape (n, longest)
        "input_ids", "attention_mask" and "token_type_ids".
    """
    longest = max(len(tokens) for tokens, _ in sequences)
    ids = torch.full((len(sequences), longest), padding, dtype=torch.long)
    mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, (tokens, first) in enumerate(sequences):
        ids[row, : len(tokens)] = torch.from_numpy(tokens.astype("int64"))
        mask[row, : len(tokens)] = 1
        types[row, first : len(tokens)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def pair_batch(
    inputs: PairTokens | EncoderFeatures,
    rows: Sequence[int] | NDArray[np.int64],
    padding: int,
    swapped: NDArray[np.bool_] | None = None,
    both: bool = True,
) -> Batch:
    """Return the padded batch of n pairs, as `PairModel` reads it.

    Parameters
    ----------
    inputs : PairTokens or EncoderFeatures
        Tokens of pairs, or the features that a frozen encoder gives for them.
    rows : int sequence, shape (n,)
        Places in `inputs`.
    padding : int
        The token id that fills shorter sequences.
    swapped : bool array, shape (n,), or None
        Whether a pair's two sequences change places, its style features with them; None for no pair.
    both : bool
        Whether the batch holds both sequences of each pair, all first ones before all second ones, or the first alone.

    Returns
    -------
    dict of str to torch.Tensor
        "input_ids", "attention_mask" and "token_type_ids" (2n or n, longest), or what `EncoderFeatures.batch` returns;
        "rows" (n,); "odd" (n, p) and "even" (n, q) where the inputs have style features.
    """
    places = np.asarray(rows, dtype=np.int64)
    second_first = np.zeros(len(places), dtype=bool) if swapped is None else np.asarray(swapped, dtype=bool)
    orders = [second_first, ~second_first] if both else [second_first]  # which of a pair's two sequences is shown
    if isinstance(inputs, EncoderFeatures):
        batch = inputs.batch(np.concatenate([places + len(inputs) * second for second in orders]))
    else:
        sides = (inputs.a, inputs.b)
        sequences = [
            (sides[int(second)], row) for order in orders for row, second in zip(places.tolist(), order, strict=True)
        ]
        batch = pad([(side[row], int(side.firsts[row])) for side, row in sequences], padding)
    batch["rows"] = torch.from_numpy(places)
    if inputs.style is not None:
        signs = np.where(second_first, -1.0, 1.0)[:, None]
        batch["odd"] = torch.from_numpy((inputs.style.odd[places] * signs).astype("float32"))
        batch["even"] = torch.from_numpy(inputs.style.even[places].astype("float32"))
    return batch
