"""The weights of a network as a file: all of them, or the trained ones alone beside a reference to their backbone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from prefens.core.tensors import refusal
from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.trainable_state import trainable_state_dict
from prefens.members.training.settings import Mode, Save, TrainingSettings

FILE_NAME = "model.safetensors"
DTYPES = (torch.float16, torch.float32, torch.int64, torch.bool)  # the last two of buffers


def save_weights(model: PairModel, training: TrainingSettings, directory: Path) -> None:
    """Write the weights in the precision of `training.save`: all of them for mode=full, else the trained ones."""
    from safetensors.torch import save_file

    state = model.state_dict() if training.mode is Mode.full else trainable_state_dict(model)
    dtype = torch.float16 if training.save is Save.fp16 else torch.float32
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    cast = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    save_file(cast, directory / FILE_NAME)


def load_weights(directory: Path) -> dict[str, torch.Tensor]:
    """Return the tensors that `save_weights` wrote, by name; StoreError where they are damaged or not finite."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = directory / FILE_NAME
    try:
        weights: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise refusal(path, str(error)[:200], "the weights of a network, as safetensors") from error
    for name, tensor in weights.items():
        if tensor.dtype not in DTYPES or not torch.isfinite(tensor).all():
            raise refusal(path, f"{name[:80]} is {tensor.dtype} with values that are no weights", "finite weights")
    return weights


@contextmanager
def naming_weights(directory: Path) -> Iterator[None]:
    """Raise what is wrong with the shapes or the names of loaded weights as a StoreError that names their file."""
    try:
        yield
    except (RuntimeError, ValueError, KeyError, AttributeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        came = " ".join(lines[:2])[:300]
        raise refusal(directory / FILE_NAME, came, "the weights of the network that settings.json describes") from error
