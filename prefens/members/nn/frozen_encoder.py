"""Encoders that are never trained: in memory once for all models on them, and no part of these models' weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import nn

from prefens.members.backbone_files import backbone_files
from prefens.members.nn.deberta_kernels import install
from prefens.members.nn.pretrained import load_encoder, read_config
from prefens.members.nn.weight_format import FP32, WeightFormat

log = logging.getLogger(__name__)

_encoders: WeakValueDictionary[tuple[Any, ...], Any] = WeakValueDictionary()  # an entry goes with its last model


def shared_encoder(directory: Path, *form: Any) -> Any:
    """Return the encoder of a model directory, in evaluation mode and without gradients.

    It is the one in memory where another model has it already. Nobody may change its weights.

    Parameters
    ----------
    directory : Path
        config.json and safetensors.
    form : hashable
        What else `load_encoder` takes.

    Raises
    ------
    BackboneError
        As `load_encoder`.
    """
    files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in backbone_files(directory)]
    key = (directory.resolve(), tuple(files), *form)
    encoder = _encoders.get(key)
    if encoder is None:
        log.info("loading %s", directory)
        encoder = _encoders[key] = load_encoder(directory, *form).eval().requires_grad_(False)
    return encoder


class FrozenEncoder(nn.Module):
    """Takes the place of a trained encoder in a `PairModel`, without parameters and without state.

    Fold models whose encoder features are cached need the encoder's config alone, so its weights are loaded on demand,
    once for all that are in memory.

    Parameters
    ----------
    directory : Path
        The encoder's files.
    round_to_fp16 : bool
        Whether states are rounded to 16 bits. Cached token states are; with the same rounding, a head predicts from
        what it was trained on.
    form : WeightFormat
        How its weights are held.

    Attributes
    ----------
    config : transformers config
        Read from the directory.
    """

    def __init__(self, directory: Path, round_to_fp16: bool = False, form: WeightFormat = FP32) -> None:
        super().__init__()
        self.directory, self.round_to_fp16, self.form = directory, round_to_fp16, form
        self.config = read_config(directory)
        self._encoders: list[Any] = []  # at most one; in a list, so that torch does not register it as a submodule

    def on(self, device: torch.device) -> Any:
        """Return the encoder on a device, in evaluation mode, without gradients."""
        if not self._encoders:
            encoder = shared_encoder(self.directory, self.form).to(device)
            install(encoder, device)
            self._encoders.append(encoder)
        return self._encoders[0]

    def release(self) -> None:
        """Free the memory of the weights; the next use loads them again."""
        self._encoders.clear()
