"""Frozen encoders: one vector a text, from the mean of a layer's token states."""

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


class Precision(Enum):
    """Arithmetic of the encoder."""

    fp32 = "fp32"
    bf16 = "bf16"


def embed(
    texts: Sequence[str], directory: Path, max_length: int, layer: int, precision: Precision, token_budget: int = 4096
) -> NDArray[np.float32]:
    """Return (n, d) unit-length embeddings of n texts.

    Parameters
    ----------
    directory : a BERT-like model's files; layer : how many of its layers are run, from 1.
    max_length : tokens of a text, special ones included; longer ones keep beginning and end.
    token_budget : padded tokens in a forward pass.
    """
    tokenizer, encoder = load_tokenizer(directory), load_encoder(directory).eval()
    encoder.encoder.layer = encoder.encoder.layer[:layer]
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder.to(place)
    tokens = _tokenize(tokenizer, texts, max_length)
    order = np.argsort([-len(part) for part in tokens], kind="stable")
    found = np.zeros((len(texts), encoder.config.hidden_size), dtype=np.float32)
    with torch.inference_mode(), torch.autocast(place.type, torch.bfloat16, enabled=precision is Precision.bf16):
        for rows in progress(_batches(order, tokens, token_budget), "embedding"):
            batch = pad([(tokens[row], len(tokens[row])) for row in rows], tokenizer.pad_token_id)
            ids, mask = batch["input_ids"].to(place), batch["attention_mask"].to(place)
            states = encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
            pooled = torch.nn.functional.normalize(pool(states, mask, Pooling.mean), dim=1)
            found[rows] = pooled.cpu().numpy()
    return found


def _tokenize(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[Tokens]:
    tokens: list[Tokens] = []
    first, *_, last = tokenizer("a")["input_ids"]
    for start in range(0, len(texts), 1000):
        encoded = tokenizer(list(texts[start : start + 1000]), add_special_tokens=False, verbose=False)["input_ids"]
        cut = [head_and_tail(np.array(ids, dtype=np.int32), max_length - 2, HEAD_SHARE) for ids in encoded]
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
