"""Reading every sequence once with a frozen encoder, and keeping what it gave."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import DTypeLike

from prefens.core import shutdown
from prefens.core.errors import ConfigError
from prefens.core.files import atomic_write, remove_stale_tmp
from prefens.core.hashing import digest, short
from prefens.core.progress import progress
from prefens.core.types import Ints
from prefens.data.text.tokens import PairTokens
from prefens.members.nn.encoder_features import EncodedPairs, Features
from prefens.members.nn.pair_model import PairModel, pad
from prefens.members.training.batching import micro_batches
from prefens.members.training.loop import device, moved

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
    dtype = np.float32 if pooled else np.float16

    def compute(values: Features) -> Features:
        log.info("reading %d sequences with the frozen encoder", len(lengths))
        _fill(values, starts, model, tokens, padding, token_budget)
        return values

    if cache is None:
        return EncodedPairs(compute(np.empty(shape, dtype)), starts, pooled)
    what = [FORMAT, backbone, _content(tokens), model.settings.pooling.name if pooled else "states"]
    how = [device().type, str(model.arithmetic), token_budget]  # the last bits depend on them
    path = cache / "encoded" / f"{short(digest([what, how]))}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # where two processes want the same, the second waits
        if _read(path, shape, dtype) is None:
            remove_stale_tmp(path.parent)
            try:
                with atomic_write(path) as tmp:
                    compute(_mapped(tmp, shape, dtype)).flush()  # type: ignore[attr-defined]
            except OSError as error:
                log.warning("features are not kept on disk (%s); the next process computes them again", error)
        found = _read(path, shape, dtype)
    return EncodedPairs(compute(np.empty(shape, dtype)) if found is None else found, starts, pooled)


def _mapped(path: Path, shape: tuple[int, int], dtype: DTypeLike) -> Features:
    """Return an array in a new file, whose place on the disk is taken: a full one is an error here, no crash later."""
    made: Features = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    return made


def _read(path: Path, shape: tuple[int, int], dtype: DTypeLike) -> Features | None:
    """Return the array in a file, or None where there is no such file; one of another form is told."""
    if not path.exists():
        return None
    try:
        found: Features = np.load(path, mmap_mode="r")
        if found.shape == shape and found.dtype == dtype:
            return found
        reason = f"shape {found.shape}, not {shape}"
    except (OSError, ValueError, EOFError) as error:
        reason = str(error)
    log.warning("%s is damaged (%s); making it again", path, reason)
    return None


def _fill(
    values: Features, starts: Ints, model: PairModel, tokens: PairTokens, padding: int, token_budget: int
) -> None:
    """Write the features of every sequence to its place in `values`."""
    n = len(tokens.a)
    lengths = np.concatenate([tokens.a.lengths, tokens.b.lengths])
    model.to(device()).eval()
    batches = list(micro_batches(np.arange(2 * n), lengths, token_budget))
    for part in progress(batches, "encoding"):
        shutdown.check()
        sides = [(tokens.a if row < n else tokens.b, row % n) for row in part.tolist()]
        batch = pad([(side[row], int(side.firsts[row])) for side, row in sides], padding)
        with torch.no_grad():
            if not model.settings.learns_pooling:
                values[part] = model.pooled(moved(batch)).float().cpu().numpy()
                continue
            states = model.states(moved(batch)).half().cpu().numpy()
        for row, kept in zip(part, states, strict=True):
            values[starts[row] : starts[row + 1]] = kept[: lengths[row]]


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
