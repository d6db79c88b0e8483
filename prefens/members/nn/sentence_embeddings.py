"""Sentence embeddings by a frozen encoder: the mean of a layer's token states, one vector per text."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prefens.core.progress import progress
from prefens.data.text.truncation import Tokens, head_and_tail
from prefens.members.nn.pair_model import pad
from prefens.members.nn.pooling import Pooling, pool
from prefens.members.nn.pretrained import load_encoder, load_tokenizer

HEAD_SHARE = 0.6  # of a cut text's tokens, from its beginning
CHUNK_TEXTS = 1000  # texts that the tokenizer reads at once


class EmbeddingPrecision(Enum):
    """The type of the encoder's matrix products: fp32, or bf16 under autocast."""

    fp32 = "fp32"
    bf16 = "bf16"


def embed(
    texts: Sequence[str],
    directory: Path,
    max_length: int,
    layer: int,
    precision: EmbeddingPrecision,
    token_budget: int = 4096,
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
    token_budget : int
        Padded tokens in a forward pass.

    Returns
    -------
    float32 array, shape (n, d)
    """
    tokenizer, encoder = load_tokenizer(directory), load_encoder(directory).eval()
    encoder.encoder.layer = encoder.encoder.layer[:layer]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder.to(device)
    tokens = _tokenize(tokenizer, texts, max_length)
    order = np.argsort([-len(part) for part in tokens], kind="stable")
    embeddings = np.zeros((len(texts), encoder.config.hidden_size), dtype=np.float32)
    with (
        torch.inference_mode(),
        torch.autocast(device.type, torch.bfloat16, enabled=precision is EmbeddingPrecision.bf16),
    ):
        for rows in progress(_batches(order, tokens, token_budget), "embedding"):
            batch = pad([(tokens[row], len(tokens[row])) for row in rows], tokenizer.pad_token_id)
            ids, mask = batch["input_ids"].to(device), batch["attention_mask"].to(device)
            states = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            pooled = torch.nn.functional.normalize(pool(states, mask, Pooling.mean), dim=1)
            embeddings[rows] = pooled.cpu().numpy()
    return embeddings


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
