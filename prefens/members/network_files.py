"""The weights of a network as a file: all of them, or the trained ones alone beside a reference to their backbone."""

from __future__ import annotations

from pathlib import Path

import torch

from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.trainable_state import trainable_state_dict
from prefens.members.training.settings import Mode, Save, TrainingSettings

FILE_NAME = "model.safetensors"


def save_weights(model: PairModel, training: TrainingSettings, directory: Path) -> None:
    """Write the weights in the precision of `training.save`: all of them for mode=full, else the trained ones."""
    from safetensors.torch import save_file

    state = model.state_dict() if training.mode is Mode.full else trainable_state_dict(model)
    dtype = torch.float16 if training.save is Save.fp16 else torch.float32
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    cast = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    save_file(cast, directory / FILE_NAME)


def load_weights(directory: Path) -> dict[str, torch.Tensor]:
    """Return the tensors that `save_weights` wrote, by name."""
    from safetensors.torch import load_file

    weights: dict[str, torch.Tensor] = load_file(directory / FILE_NAME)
    return weights
