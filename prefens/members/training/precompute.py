"""The features of a frozen encoder, computed once for all folds and seeds and kept in a file."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
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
from prefens.core.tensors import cached_npy, seal
from prefens.core.types import Ints
from prefens.data.text.tokens import PairTokens
from prefens.members.nn.encoder_features import EncoderFeatures, FeatureArray
from prefens.members.nn.pair_model import PairModel, pad
from prefens.members.training.batching import micro_batches
from prefens.members.training.loop import device, to_device

log = logging.getLogger(__name__)

MAX_STATES_BYTES = 32e9  # of token states that are worth keeping; pooled vectors are far below
FEATURES_FORMAT = 1  # of the files; raised when their content changes


def precompute(
    model: PairModel, tokens: PairTokens, padding: int, token_budget: int, backbone: str, cache: Path | None
) -> EncoderFeatures:
    """Return the encoder features of all pairs: computed, or read from the file of an earlier or another process.

    Where the head learns its pooling, all token states are kept, in 16 bits; else one vector per sequence.

    Parameters
    ----------
    model : PairModel
        With a `FrozenEncoder`.
    tokens : PairTokens
        Of the n pairs.
    padding : int
        The id of the padding token.
    token_budget : int
        Real tokens in a forward pass.
    backbone : str
        The fingerprint of the encoder's files, and how its weights are held.
    cache : Path or None
        The folder of the files, or None to keep nothing.

    Raises
    ------
    ConfigError
        The states of all tokens would be larger than MAX_STATES_BYTES.
    Stopped
        The process was asked to stop.
    """
    pooled = not model.settings.learns_pooling
    lengths = np.concatenate([tokens.a.lengths, tokens.b.lengths])
    starts = np.concatenate([[0], np.cumsum(np.ones_like(lengths) if pooled else lengths)])
    size = model.head.pooling_layer.size if pooled else int(model.encoder.config.hidden_size)
    shape, dtype = (int(starts[-1]), size), np.float32 if pooled else np.float16
    if not pooled:
        _check_size(2 * shape[0] * shape[1], model)

    def compute(values: FeatureArray) -> FeatureArray:
        if cache is not None:  # a prediction keeps nothing, and asks for the features of each part of its pairs
            log.info("reading %d sequences with the frozen encoder", len(lengths))
        fill_features(values, starts, model, tokens, padding, token_budget)
        return values

    if cache is None:
        return EncoderFeatures(compute(np.empty(shape, dtype)), starts, pooled)
    content = [
        FEATURES_FORMAT,
        backbone,
        _token_digest(tokens),
        model.head.pooling_layer.pooling.name if pooled else "states",
    ]
    rounding = [device().type, str(model.compute_dtype), token_budget]  # the last bits depend on them
    path = cache / "encoder_features" / f"{short(digest([content, rounding]))}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # a second process that needs the same file waits
        if cached_npy(path, shape, dtype) is None:
            remove_stale_tmp(path.parent)
            try:
                with atomic_write(path) as tmp:
                    compute(_create(tmp, shape, dtype)).flush()  # type: ignore[attr-defined]
                    seal(tmp)
                shutdown.note_kept()
            except OSError as error:
                log.warning("features are not kept on disk (%s); the next process computes them again", error)
        values = cached_npy(path, shape, dtype)
    return EncoderFeatures(compute(np.empty(shape, dtype)) if values is None else values, starts, pooled)


def _create(path: Path, shape: tuple[int, int], dtype: DTypeLike) -> FeatureArray:
    """Return an array in a new file. Its disk space is allocated: a full disk is an error here, not a crash later."""
    values: FeatureArray = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    return values


def fill_features(
    values: FeatureArray, starts: Ints, model: PairModel, tokens: PairTokens, padding: int, token_budget: int
) -> None:
    """Compute the features of every sequence of `tokens` into `values`, at `starts`; the arguments of `precompute`."""
    n = len(tokens.a)
    lengths = np.concatenate([tokens.a.lengths, tokens.b.lengths])
    model.to(device()).eval()
    pooled = not model.settings.learns_pooling
    batches = list(micro_batches(np.arange(2 * n), lengths, token_budget))
    before: tuple[Ints, Callable[[], FeatureArray]] | None = None  # is written while the GPU reads the next
    for part in progress(batches, "encoder features"):
        shutdown.check()
        sides = [(tokens.a if row < n else tokens.b, row % n) for row in part.tolist()]
        batch = to_device(pad([(side[row], int(side.firsts[row])) for side, row in sides], padding))
        with torch.no_grad():
            copy = read_back(model.pooled(batch).float() if pooled else model.states(batch).half())
        if before is not None:
            _write(values, starts, before[0], before[1](), pooled)
        before = part, copy
    if before is not None:
        _write(values, starts, before[0], before[1](), pooled)


def read_back(tensor: torch.Tensor) -> Callable[[], FeatureArray]:
    """Begin to copy a tensor to the host; return what waits for the copy and returns it."""
    if tensor.device.type != "cuda":
        return tensor.numpy
    host, copied = tensor.to("cpu", non_blocking=True), torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record()

    def wait() -> FeatureArray:
        copied.synchronize()
        array: FeatureArray = host.numpy()
        return array

    return wait


def _write(values: FeatureArray, starts: Ints, part: Ints, features: FeatureArray, pooled: bool) -> None:
    """Write the features of the sequences of a part where they belong."""
    if pooled:
        values[part] = features
        return
    for row, padded in zip(part, features, strict=True):
        values[starts[row] : starts[row + 1]] = padded[: starts[row + 1] - starts[row]]


def _token_digest(tokens: PairTokens) -> str:
    """Return the digest of the token sequences."""
    sha256 = hashlib.sha256()
    for side in (tokens.a, tokens.b):
        for array in (side.tokens, side.starts, side.firsts):
            sha256.update(np.ascontiguousarray(array).data)
    return sha256.hexdigest()


def _check_size(size: float, model: PairModel) -> None:
    if size > MAX_STATES_BYTES:
        head = f"head.kind={model.settings.kind.name} head.pooling={model.head.pooling_layer.pooling.name}"
        raise ConfigError(
            f"training.mode=frozen with {head}: the states of all tokens are {size / 1e9:.0f} GB",
            f"at most {MAX_STATES_BYTES / 1e9:.0f} GB",
            "set head.pooling=mean with a head that needs no token states, a smaller text.max_length, or training=lora",
        )
