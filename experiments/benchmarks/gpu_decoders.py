"""The decoder half of gpu.py: adapters on causal models, and the peak of memory beside the estimate."""

from __future__ import annotations

import gpu_steps
import torch
from gpu_steps import Figures, NotRun, Repeats
from gpu_tasks import Shape, config_directory

from prefens.members.training import loop
from prefens.members.training.memory import estimate_memory
from prefens.members.training.precision import Precision, compute_dtype

WEIGHTS = ("fp32", "bf16", "nf4")  # how the backbone, which is not trained, is held


def check_weights(way: str) -> None:
    """Raise NotRun where this prefens, or this machine, can't hold weights so: the one place that knows."""
    if way != "fp32":
        raise NotRun("bitsandbytes or backbone.quant is missing" if way == "nf4" else "backbone.dtype is missing")


def train(shape: Shape, way: str, repeats: Repeats) -> Figures:
    check_weights(way)
    settings = gpu_steps.decoder_settings(shape)
    bf16 = compute_dtype(Precision.auto, loop.device()) is torch.bfloat16
    estimate = estimate_memory(config_directory(shape), settings, bf16, shape.max_length).total / 2**30
    return {**gpu_steps.train_ours(shape, settings, repeats), "estimated_gib": estimate}


def predict(shape: Shape, way: str, repeats: Repeats) -> Figures:
    check_weights(way)
    return gpu_steps.predict_ours(shape, gpu_steps.decoder_settings(shape), repeats)


def train_trainer(shape: Shape, repeats: Repeats) -> Figures:
    """The Trainer on the same weights and adapters."""
    return gpu_steps.train_trainer(shape, gpu_steps.decoder_settings(shape), repeats)
