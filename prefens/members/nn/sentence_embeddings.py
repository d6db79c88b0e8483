"""Sentence embeddings by a frozen encoder: the mean of a layer's token states, one vector per text."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prefens.core.progress import token_progress
from prefens.data.text.truncation import Tokens, head_and_tail
from prefens.members.nn.embedding_pieces import cut_pieces
from prefens.members.nn.encoder_forward import forward_states
from prefens.members.nn.int8_linear import quantize
from prefens.members.nn.pair_model import pad
from prefens.members.nn.pooling import Pooling, pool
from prefens.members.nn.pretrained import load_encoder, load_tokenizer

log = logging.getLogger(__name__)

HEAD_SHARE = 0.6  # of a cut text's tokens, from its beginning
CHUNK_TEXTS = 1000  # texts that the tokenizer reads at once
INT8_TOKEN_BUDGET = 1024  # tokens in a forward pass whose states stay in the processor's caches
LONG_SECONDS = 30 * 60.0  # what takes longer is said before it starts
PROBE_TOKENS = 1_000_000  # fewer take less than LONG_SECONDS on any machine


class EmbeddingPrecision(Enum):
    """The type of the encoder's matrix products.

    Attributes
    ----------
    fp32
        Single precision.
    bf16
        Under autocast, in padded batches.
    int8
        8-bit integers, see `int8_linear`; without padding. A text's embedding has the same bits in any batch.
    """

    fp32 = "fp32"
    bf16 = "bf16"
    int8 = "int8"


def reading_device() -> torch.device:
    """Return the device that reads texts: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class _Reader:
    """A frozen encoder that gives one vector for each text.

    Parameters
    ----------
    directory : Path
        The files of a BERT-like encoder.
    layer : int, from 1
        The number of the encoder's layers that are run.
    precision : EmbeddingPrecision
        Of its matrix products.
    padding : int
        The id of the padding token.
    """

    def __init__(self, directory: Path, layer: int, precision: EmbeddingPrecision, padding: int) -> None:
        self.device = reading_device()
        self.encoder = load_encoder(directory).eval()
        self.encoder.encoder.layer = self.encoder.encoder.layer[:layer]
        self.encoder.to(self.device)
        self.dimension, self.precision, self.padding = self.encoder.config.hidden_size, precision, padding
        if precision is EmbeddingPrecision.int8:
            quantize(self.encoder.encoder)

    @torch.inference_mode()
    def embed(self, tokens: Sequence[Tokens]) -> NDArray[np.float32]:
        """Return float32 (n, d) unit-length means of the states of n texts' tokens."""
        batch = pad([(part, len(part)) for part in tokens], self.padding)
        batch = {name: tensor.to(self.device) for name, tensor in batch.items()}
        if self.precision is EmbeddingPrecision.int8:  # the mean of each text alone, whatever it is padded to
            states = forward_states(self.encoder, batch, token_types=False)
            means = torch.stack([row[: len(part)].mean(dim=0) for row, part in zip(states, tokens, strict=True)])
        else:
            ids, mask = batch["input_ids"], batch["attention_mask"]
            bf16 = self.precision is EmbeddingPrecision.bf16
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
                means = pool(states, mask, Pooling.mean)
        embeddings: NDArray[np.float32] = torch.nn.functional.normalize(means, dim=1).cpu().numpy()
        return embeddings


def embed(
    texts: Sequence[str],
    directory: Path,
    max_length: int,
    layer: int,
    precision: EmbeddingPrecision,
    folder: Path | None = None,
    token_budget: int | None = None,
) -> NDArray[np.float32]:
    """Return unit-length embeddings of n texts.

    Parameters
    ----------
    texts : sequence of str
        The n texts.
    directory : Path
        The files of a BERT-like encoder.
    max_length : int
        Tokens of a text, special ones included; longer texts keep their beginning and end.
    layer : int, from 1
        The number of the encoder's layers that are run.
    precision : EmbeddingPrecision
        Of the encoder.
    folder : Path or None
        Where finished pieces of these texts' embeddings are kept, to go on from after a stop; None keeps nothing.
    token_budget : int or None
        Padded tokens in a forward pass; None for what suits the precision.

    Returns
    -------
    float32 array, shape (n, d)
    """
    tokenizer = load_tokenizer(directory)
    reader = _Reader(directory, layer, precision, tokenizer.pad_token_id)
    tokens = _tokenize(tokenizer, texts, max_length)
    order = np.argsort([-len(part) for part in tokens], kind="stable")
    budget = token_budget or (INT8_TOKEN_BUDGET if precision is EmbeddingPrecision.int8 else 4096)
    batches = _batches(order, tokens, budget)
    pieces = cut_pieces(batches, _sizes(batches, tokens), folder)
    embeddings = np.zeros((len(texts), reader.dimension), dtype=np.float32)
    missing = [piece for piece in pieces if not piece.restore(embeddings)]
    left = [(piece, rows) for piece in missing for rows in piece.batches]
    sizes = _sizes([rows for _, rows in left], tokens)
    _warn_of_time(reader, [rows for _, rows in left], tokens)
    for piece, rows in token_progress(left, "embedding", sizes, sum(map(len, tokens)) - sum(sizes)):
        embeddings[rows] = reader.embed([tokens[row] for row in rows])
        if rows is piece.batches[-1]:
            piece.save(embeddings)
    return embeddings


def _sizes(batches: Sequence[list[int]], tokens: Sequence[Tokens]) -> list[int]:
    """Return the number of tokens in each batch."""
    return [sum(len(tokens[row]) for row in rows) for rows in batches]


def _warn_of_time(reader: _Reader, batches: Sequence[list[int]], tokens: Sequence[Tokens]) -> None:
    """Log what is faster, where a typical batch tells that reading all of them takes more than LONG_SECONDS."""
    total = sum(_sizes(batches, tokens))
    if total <= PROBE_TOKENS:
        return
    probe = [tokens[row] for row in batches[len(batches) // 2]]
    reader.embed(probe)  # the first pass is slower than others
    start = time.perf_counter()
    reader.embed(probe)
    speed = sum(map(len, probe)) / (time.perf_counter() - start)
    if total / speed > LONG_SECONDS:
        log.warning(
            "embedding %.1f million tokens takes about %.0f minutes at %.0f tokens a second; faster are "
            "backbone=wordllama, which takes a few minutes on two cores,%s and a GPU",
            total / 1e6, total / speed / 60, speed,
            "" if reader.precision is EmbeddingPrecision.int8 else " backbone.precision=int8",
        )  # fmt: skip


def _tokenize(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[Tokens]:
    """Return each text's tokens with the special ones around; texts that are too long lose their middle."""
    tokens: list[Tokens] = []
    first, *_, last = tokenizer("a")["input_ids"]
    for start in range(0, len(texts), CHUNK_TEXTS):
        chunk = list(texts[start : start + CHUNK_TEXTS])
        ids = tokenizer(chunk, add_special_tokens=False, verbose=False)["input_ids"]
        cut = [head_and_tail(np.array(row, dtype=np.int32), max_length - 2, HEAD_SHARE) for row in ids]
        tokens += [np.array([first, *part, last], dtype=np.int32) for part in cut]
    return tokens


def _batches(order: NDArray[np.int64], tokens: list[Tokens], token_budget: int) -> list[list[int]]:
    """Cut texts, longest first, into batches that stay within the budget when padded to their longest."""
    batches: list[list[int]] = []
    for row in order.tolist():
        if batches and (len(batches[-1]) + 1) * len(tokens[batches[-1][0]]) <= token_budget:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches
