"""An encoder that never changes: read from its files when it is needed, and no part of the model that is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from prefens.members.nn.deberta_kernels import install
from prefens.members.nn.pretrained import load_encoder, read_config


class FrozenEncoder(nn.Module):
    """Stands where a trained encoder stands; to optimizers, checkpoints and files it has no weights.

    Fold models whose features are kept need the encoder's sizes alone, so nothing is loaded before it is asked for.

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

    def loaded(self, place: torch.device) -> Any:
        """Return the encoder itself on a device, in evaluation mode; nothing of it is ever trained."""
        if not self._held:
            encoder = load_encoder(self.directory).eval().requires_grad_(False).to(place)
            install(encoder, place)
            self._held.append(encoder)
        return self._held[0]

    def release(self) -> None:
        """Give the memory of the weights back; the next use loads them again."""
        self._held.clear()
