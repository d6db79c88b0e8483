"""The weights of a network as files: all of them, or the trained ones beside the name of their backbone."""

from __future__ import annotations

from pathlib import Path

import torch

from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.trainable_state import trained_weights
from prefens.members.training.settings import Mode, Save, TrainingSettings

NAME = "model.safetensors"


def save_weights(model: PairModel, training: TrainingSettings, directory: Path) -> None:
    """Write the weights in the precision of `training.save`: all after `training=full`, else the trained ones."""
    from safetensors.torch import save_file

    state = model.state_dict() if training.mode is Mode.full else trained_weights(model)
    dtype = torch.float16 if training.save is Save.fp16 else torch.float32
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    kept = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    save_file(kept, directory / NAME)


def load_weights(directory: Path) -> dict[str, torch.Tensor]:
    """Return the tensors that `save_weights` wrote, by name."""
    from safetensors.torch import load_file

    weights: dict[str, torch.Tensor] = load_file(directory / NAME)
    return weights
