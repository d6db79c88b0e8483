"""An encoder that never changes: read from its files when it is needed, and no part of the model that is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from prefens.modeling import disentangled
from prefens.modeling.encoding import encode
from prefens.modeling.pretrained import load_encoder, read_config


class FrozenEncoder(nn.Module):
    """It stands in the place of an encoder; to optimisers, checkpoints and files it has no weights.

    Fold models whose features are kept need the encoder's sizes alone, so nothing is loaded before the first call.

    Parameters
    ----------
    directory : of the encoder's files.
    rounded : whether its states are rounded to 16 bits, as those that are kept for a head that pools by itself are, so
        that the head predicts from what it was trained on.
    """

    def __init__(self, directory: Path, rounded: bool = False) -> None:
        super().__init__()
        self.directory, self.rounded = directory, rounded
        self.config = read_config(directory)
        self._held: list[Any] = []  # in a list, so that the module does not count as a part of this one

    def states(self, batch: dict[str, torch.Tensor], types: bool, arithmetic: torch.dtype) -> torch.Tensor:
        """Return what `encode` does, in evaluation mode and without gradients."""
        if not self._held:
            place = batch["input_ids"].device
            encoder = load_encoder(self.directory).eval().to(place)
            disentangled.install(encoder, place)
            self._held.append(encoder)
        with torch.no_grad():
            found = encode(self._held[0], batch, types, arithmetic)
        return found.half().float() if self.rounded else found

    def release(self) -> None:
        """Give the memory of the weights back; the next call loads them again."""
        self._held.clear()
