"""How a pair model is trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import isfinite

from prefens.core.errors import ConfigError
from prefens.core.hashing import NOT_IDENTITY
from prefens.members.nn.lora import LoraSettings
from prefens.members.training.precision import Precision


class Mode(Enum):
    """What is trained: all weights; only the head, on an encoder that is read once; or adapters and the head."""

    full = "full"
    frozen = "frozen"
    lora = "lora"


class Save(Enum):
    """In which precision a fold model is kept for prediction, if at all."""

    fp16 = "fp16"
    fp32 = "fp32"
    none = "none"


class Schedule(Enum):
    """How the learning rates go after the warm-up: down to zero, on as they are, or halved as the inner loss says."""

    cosine = "cosine"
    linear = "linear"
    constant = "constant"
    plateau = "plateau"


class Swap(Enum):
    """Whether pairs are shown with A and B exchanged: never, or each with probability 1/2, drawn anew every epoch."""

    none = "none"
    random = "random"


@dataclass
class GuardSettings:
    """min_pairs: no training is judged a collapse before it has seen as many pairs."""

    min_pairs: int = 10000

    def __post_init__(self) -> None:
        _check("guard.min_pairs", self.min_pairs, self.min_pairs >= 0, "0 or more")


@dataclass
class TrainingSettings:
    """Warm-up, then cosine decay to zero over a fixed number of steps, unless an inner split is asked for.

    mode: what is trained; lr, head_lr: peak learning rates of the encoder's top layer and of the head; layer_decay in
    (0, 1]: factor on lr from each layer to the one below; epochs: passes over the training rows; min_steps: more
    epochs where these have fewer optimiser steps; batch_pairs: pairs in an optimiser step; token_budget: real tokens in
    a forward pass; weight_decay: not on biases and norms; warmup: share of the steps, in [0, 1]; schedule: one of
    `Schedule`; label_smoothing in [0, 1); clip: largest gradient norm; ema in [0, 1): decay of the average of the
    weights, 0 for none; swap: one of `Swap`; patience: epochs without a better inner loss that end the training, None
    for a fixed schedule; gradient_checkpointing: less memory, more time; precision: of the encoder's products;
    compile: whether training runs the encoder through torch.compile; guard, lora: see there;
    checkpoint_minutes: between two checkpoints, 0 for one after every step.

    With `patience` or schedule=plateau one of five inner folds is left out of the training, and the weights of the
    epoch with the best loss on it are the result.
    """

    mode: Mode = Mode.full
    lr: float = 2e-5
    head_lr: float = 1e-3
    layer_decay: float = 1.0
    epochs: int = 2
    min_steps: int = 0
    batch_pairs: int = 32
    token_budget: int = 16384
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: Schedule = Schedule.cosine
    label_smoothing: float = 0.0
    clip: float = 1.0
    ema: float = 0.0
    swap: Swap = Swap.none
    patience: int | None = None
    gradient_checkpointing: bool = field(default=False, metadata=NOT_IDENTITY)
    guard: GuardSettings = field(default_factory=GuardSettings, metadata=NOT_IDENTITY)
    lora: LoraSettings = field(default_factory=LoraSettings)
    precision: Precision = Precision.auto
    compile: bool = False
    save: Save = field(default=Save.fp16, metadata=NOT_IDENTITY)
    checkpoint_minutes: float = field(default=10.0, metadata=NOT_IDENTITY)

    def __post_init__(self) -> None:
        for name in ("lr", "head_lr", "epochs", "batch_pairs", "token_budget", "clip"):
            value = getattr(self, name)
            _check(name, value, value > 0 and isfinite(value), "a positive number")
        for name in ("weight_decay", "min_steps", "checkpoint_minutes"):
            value = getattr(self, name)
            _check(name, value, value >= 0 and isfinite(value), "0 or more")
        for name in ("label_smoothing", "ema"):
            _check(name, getattr(self, name), 0 <= getattr(self, name) < 1, "a number in [0, 1)")
        _check("warmup", self.warmup, 0 <= self.warmup <= 1, "a share of the steps, in [0, 1]")
        _check("layer_decay", self.layer_decay, 0 < self.layer_decay <= 1, "a factor in (0, 1], 1 for none")
        patient = self.patience is None or self.patience >= 1
        _check("patience", self.patience, patient, "1 or more epochs, or null for a fixed schedule")

    @property
    def selects(self) -> bool:
        """Whether an inner split is left out of the training, for choices."""
        return self.patience is not None or self.schedule is Schedule.plateau


def _check(name: str, value: object, right: bool, expected: str) -> None:
    if not right:
        raise ConfigError(f"training.{name}={value}", expected, f"correct training.{name}")
