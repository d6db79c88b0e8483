"""An encoder that is never trained, loaded when it is needed, whose weights are no part of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from prefens.members.nn.deberta_kernels import install
from prefens.members.nn.pretrained import read_config
from prefens.members.nn.shared_encoder import shared_encoder
from prefens.members.nn.weight_format import FP32, WeightFormat


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
