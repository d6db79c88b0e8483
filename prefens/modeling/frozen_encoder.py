"""An encoder that never changes: read from its files when it is needed, and no part of the model that is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from prefens.modeling.pretrained import load_encoder, read_config


class FrozenEncoder(nn.Module):
    """Called as an encoder of transformers is; to optimisers, checkpoints and files it has no weights.

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

    def forward(self, **inputs: torch.Tensor) -> Any:
        """Return what the encoder does, in evaluation mode and without gradients."""
        if not self._held:
            self._held.append(load_encoder(self.directory).eval().to(inputs["input_ids"].device))
        with torch.no_grad():
            found = self._held[0](**inputs)
        if self.rounded:
            found.last_hidden_state = found.last_hidden_state.half().float()
        return found

    def release(self) -> None:
        """Give the memory of the weights back; the next call loads them again."""
        self._held.clear()
