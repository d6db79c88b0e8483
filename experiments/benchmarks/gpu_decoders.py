"""The decoder half of gpu.py: adapters on causal models, and the peak of memory beside the estimate."""

from __future__ import annotations

import torch
from gpu_steps import Figures, NotRun, Repeats, decoder_settings, predict_ours, train_ours, train_trainer
from gpu_tasks import Shape, config_directory

from prefens.core.errors import ConfigError
from prefens.members.nn.weight_format import Quantization, WeightFormat, WeightType, require_bitsandbytes
from prefens.members.training import loop
from prefens.members.training.memory import estimate_memory
from prefens.members.training.precision import Precision, compute_dtype

WEIGHTS = ("bf16", "nf4")  # how the backbone, which is not trained, is held


def weight_format(way: str) -> WeightFormat:
    """Return how weights are held; NotRun where this machine can't."""
    bf16 = compute_dtype(Precision.auto, loop.device()) is torch.bfloat16
    products = torch.bfloat16 if bf16 else torch.float32
    if way != "nf4":
        return WeightFormat(WeightType.bf16, compute_dtype=products)
    try:
        require_bitsandbytes("nf4", "do without")
    except ConfigError as error:
        raise NotRun("it needs a GPU and the package bitsandbytes: pip install 'prefens[gpu]'") from error
    return WeightFormat(WeightType.bf16, Quantization.nf4, compute_dtype=products)


def train(shape: Shape, way: str, repeats: Repeats) -> Figures:
    form, settings = weight_format(way), decoder_settings(shape)
    estimate = estimate_memory(config_directory(shape), settings, form, shape.max_length).total / 2**30
    return {**train_ours(shape, settings, repeats, form), "estimated_gib": estimate}


def predict(shape: Shape, way: str, repeats: Repeats) -> Figures:
    return predict_ours(shape, decoder_settings(shape), repeats, weight_format(way))


def rival(shape: Shape, way: str, repeats: Repeats) -> Figures:
    """The Trainer on the same weights and adapters."""
    return train_trainer(shape, decoder_settings(shape), repeats, weight_format(way))
