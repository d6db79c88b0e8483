"""Reading every sequence once with a frozen encoder, and keeping what it gave."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from prefens import stopping
from prefens.digest import digest, short
from prefens.errors import ConfigError
from prefens.files import written_aside
from prefens.modeling.encoded import EncodedPairs, Features
from prefens.modeling.pair_model import PairModel, pad
from prefens.progress import progress
from prefens.records import Ints
from prefens.text.tokens import PairTokens
from prefens.training.batching import micro_batches
from prefens.training.loop import autocast, device, moved
from prefens.training.precision import name_of

log = logging.getLogger(__name__)

LARGEST = 32e9  # bytes of token states that are worth keeping; pooled vectors are far below
FORMAT = 1  # of the files; raised when their content changes


def encoded(
    model: PairModel, tokens: PairTokens, padding: int, token_budget: int, backbone: str, cache: Path | None
) -> EncodedPairs:
    """Return the features of all pairs of `tokens`: computed, or read from the file of an earlier or another process.

    Where the head pools in a way that it learns, all token states are kept, in 16 bits; else one vector a sequence.

    Parameters
    ----------
    model : with a `FrozenEncoder`; token_budget : real tokens in a forward pass.
    backbone : the fingerprint of the encoder's files; cache : the folder of the files, or None to keep nothing.

    Raises
    ------
    ConfigError where the states of all tokens would be too many.
    """
    pooled = not model.settings.learns_pooling
    lengths = np.concatenate([tokens.a.lengths, tokens.b.lengths])
    kept = np.ones_like(lengths) if pooled else lengths
    starts = np.concatenate([[0], np.cumsum(kept)])
    shape = (int(starts[-1]), model.head.pool.size if pooled else int(model.encoder.config.hidden_size))
    if not pooled:
        _check_size(2 * shape[0] * shape[1], model)
    if cache is None:
        values: Features = np.empty(shape, np.float32 if pooled else np.float16)
        _fill(values, starts, model, tokens, padding, token_budget)
        return EncodedPairs(values, starts, pooled)
    what = [FORMAT, backbone, _content(tokens), model.settings.pooling.name if pooled else "states"]
    how = [device().type, token_budget, name_of(model.arithmetic)]  # the last bits depend on them
    path = cache / "encoded" / f"{short(digest([what, how]))}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # where two processes want the same, the second waits
        if not path.exists():
            log.info("reading %d sequences with the frozen encoder", len(lengths))
            with written_aside(path) as aside:
                dtype = np.float32 if pooled else np.float16
                mapped = np.lib.format.open_memmap(aside, mode="w+", dtype=dtype, shape=shape)
                _fill(mapped, starts, model, tokens, padding, token_budget)
                mapped.flush()
    return EncodedPairs(np.load(path, mmap_mode="r"), starts, pooled)


def _fill(
    values: Features, starts: Ints, model: PairModel, tokens: PairTokens, padding: int, token_budget: int
) -> None:
    """Write the features of every sequence to its place in `values`."""
    n = len(tokens.a)
    lengths = np.concatenate([tokens.a.lengths, tokens.b.lengths])
    model.to(device()).eval()
    batches = list(micro_batches(np.arange(2 * n), lengths, token_budget))
    for part in progress(batches, "encoding"):
        stopping.check()
        sides = [(tokens.a if row < n else tokens.b, row % n) for row in part.tolist()]
        batch = pad([(side[row], int(side.firsts[row])) for side, row in sides], padding)
        with torch.no_grad(), autocast():
            if not model.settings.learns_pooling:
                values[part] = model.pooled(moved(batch)).float().cpu().numpy()
                continue
            states = model.states(moved(batch)).half().cpu().numpy()
        for row, kept in zip(part, states, strict=True):
            values[starts[row] : starts[row + 1]] = kept[: lengths[row]]
    model.encoder.release()


def _content(tokens: PairTokens) -> str:
    """Return the digest of the token sequences."""
    made = hashlib.sha256()
    for side in (tokens.a, tokens.b):
        for array in (side.tokens, side.starts, side.firsts):
            made.update(np.ascontiguousarray(array).data)
    return made.hexdigest()


def _check_size(size: float, model: PairModel) -> None:
    if size > LARGEST:
        head = f"head.kind={model.settings.kind.name} head.pooling={model.settings.pooling.name}"
        raise ConfigError(
            f"training.mode=frozen with {head}: the states of all tokens are {size / 1e9:.0f} GB",
            f"at most {LARGEST / 1e9:.0f} GB",
            "set head.pooling=mean with a head that needs no token states, a smaller text.max_length, or training=lora",
        )
