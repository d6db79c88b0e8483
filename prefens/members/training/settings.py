"""The settings of the training of pair models."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from math import isfinite

from prefens.core.errors import ConfigError
from prefens.core.hashing import NOT_IDENTITY, neutral
from prefens.members.nn.lora import ALL_LINEAR, LoraSettings
from prefens.members.training.precision import Precision

CLIP, LOOSE_CLIP = 1.0, 100.0  # the largest gradient norm of encoders, and of causal models
LARGE = 1_000_000_000  # parameters, from which on activations are recomputed


class Mode(Enum):
    """What is trained.

    Attributes
    ----------
    full
        All weights.
    frozen
        The head alone, on the features of a frozen encoder.
    lora
        Adapters and the head.
    """

    full = "full"
    frozen = "frozen"
    lora = "lora"


class Save(Enum):
    """The precision in which a fold model is kept for prediction; none keeps no model."""

    fp16 = "fp16"
    fp32 = "fp32"
    none = "none"


class Schedule(Enum):
    """The learning rates after the warm-up.

    Attributes
    ----------
    cosine, linear
        Down to zero.
    constant
        Unchanged.
    plateau
        Halved after each epoch that does not lower the loss on the inner split.
    """

    cosine = "cosine"
    linear = "linear"
    constant = "constant"
    plateau = "plateau"


class Swap(Enum):
    """Whether pairs are shown with A and B swapped.

    Attributes
    ----------
    none
        Never.
    random
        Each pair with probability 1/2, drawn anew every epoch.
    both
        Each pair in both orders, in one optimizer step; heads that are symmetric see both in any case.
    """

    none = "none"
    random = "random"
    both = "both"


class OptimizerKind(Enum):
    """The optimizer.

    Attributes
    ----------
    adamw
        AdamW (Loshchilov & Hutter 2019) in fp32.
    adamw_8bit
        AdamW with moments in 8 bits (Dettmers et al. 2022, "8-bit optimizers via block-wise quantization"): a quarter
        of their memory; needs CUDA and bitsandbytes.
    """

    adamw = "adamw"
    adamw_8bit = "adamw_8bit"


@dataclass
class GuardSettings:
    """The settings of the group `training.guard`.

    Attributes
    ----------
    min_pairs : int, at least 0
        No training is judged a collapse before it has seen as many pairs.

    Raises
    ------
    ConfigError
        A value is out of its range.
    """

    min_pairs: int = 10000

    def __post_init__(self) -> None:
        _check("guard.min_pairs", self.min_pairs, self.min_pairs >= 0, "0 or more")


@dataclass
class TrainingSettings:
    """The settings of the group `training`: warm-up, then a schedule over a fixed number of steps.

    With `patience` or schedule=plateau, one of five inner folds is left out of the training, and the weights of the
    epoch with the lowest loss on it are the result.

    Attributes
    ----------
    mode : Mode
        What is trained.
    lr : float, positive
        Peak learning rate of the encoder's top layer, or of its adapters.
    head_lr : float, positive
        Peak learning rate of the head.
    layer_decay : float in (0, 1]
        Factor on `lr` from each layer to the one below.
    epochs : int, at least 1
        Passes over the training rows.
    min_steps : int, at least 0
        More epochs are added until there are as many optimizer steps.
    batch_pairs : int, at least 1
        Pairs in an optimizer step.
    token_budget : int, at least 1
        Real tokens in a forward pass.
    weight_decay : float, at least 0
        Weight decay of matrices; biases and norms have none.
    warmup : float in [0, 1]
        Share of the steps in which the learning rates rise.
    schedule : Schedule
        The learning rates after the warm-up.
    label_smoothing : float in [0, 1)
        Share of a label, or of a teacher's probabilities, that is spread over all outcomes.
    clip : float, positive, or None
        Largest gradient norm; None for the default of the kind of backbone.
    ema : float in [0, 1)
        Decay of the moving average of the weights that predicts; 0 for none.
    swap : Swap
        Whether pairs are shown with A and B swapped.
    patience : int, at least 1, or None
        Epochs without a lower inner loss that end the training; None for a fixed schedule.
    gradient_checkpointing : bool or None
        Whether activations are recomputed: less memory, more time; None for backbones above a billion parameters.
    guard : GuardSettings
        The test for a collapsed training.
    lora : LoraSettings
        The adapters of mode=lora.
    precision : Precision
        Of the encoder's matrix products.
    compile : bool
        Whether training runs the encoder through torch.compile.
    save : Save
        The precision of the fold model that is kept.
    checkpoint_minutes : float, at least 0
        Minutes between two checkpoints; 0 for one after every step.
    optimizer : OptimizerKind
        The optimizer.

    Raises
    ------
    ConfigError
        A value is out of its range.
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
    clip: float | None = None
    ema: float = 0.0
    swap: Swap = Swap.none
    patience: int | None = None
    gradient_checkpointing: bool | None = field(default=None, metadata=NOT_IDENTITY)
    guard: GuardSettings = field(default_factory=GuardSettings, metadata=NOT_IDENTITY)
    lora: LoraSettings = field(default_factory=LoraSettings)
    precision: Precision = Precision.auto
    compile: bool = False
    save: Save = field(default=Save.fp16, metadata=NOT_IDENTITY)
    checkpoint_minutes: float = field(default=10.0, metadata=NOT_IDENTITY)
    optimizer: OptimizerKind = field(default=OptimizerKind.adamw, metadata=neutral("adamw"))

    def __post_init__(self) -> None:
        for name in ("lr", "head_lr", "epochs", "batch_pairs", "token_budget", "clip"):
            value = CLIP if getattr(self, name) is None else getattr(self, name)
            _check(name, value, value > 0 and isfinite(value), "a positive number")
        for name in ("weight_decay", "min_steps", "checkpoint_minutes"):
            value = getattr(self, name)
            _check(name, value, value >= 0 and isfinite(value), "0 or more")
        for name in ("label_smoothing", "ema"):
            _check(name, getattr(self, name), 0 <= getattr(self, name) < 1, "a number in [0, 1)")
        _check("warmup", self.warmup, 0 <= self.warmup <= 1, "a share of the steps, in [0, 1]")
        _check("layer_decay", self.layer_decay, 0 < self.layer_decay <= 1, "a factor in (0, 1], 1 for none")
        positive = self.patience is None or self.patience >= 1
        _check("patience", self.patience, positive, "1 or more epochs, or null for a fixed schedule")

    def resolved(self, causal: bool, parameters: int = 0) -> TrainingSettings:
        """Return the settings without None: of a causal backbone all linear layers are adapted, and clipping is loose.

        The losses of its first steps have large gradients, which a norm of 1 would cut to nothing. `parameters` is the
        number of the backbone's.
        """
        recompute = parameters > LARGE if self.gradient_checkpointing is None else self.gradient_checkpointing
        clip = self.clip if self.clip is not None else LOOSE_CLIP if causal else CLIP
        targets = [ALL_LINEAR] if causal and self.lora.targets is None else self.lora.targets
        lora = replace(self.lora, targets=targets)
        return replace(self, clip=clip, lora=lora, gradient_checkpointing=recompute)

    @property
    def selects(self) -> bool:
        """Whether an inner split is left out of the training, for choices."""
        return self.patience is not None or self.schedule is Schedule.plateau


def _check(name: str, value: object, valid: bool, expected: str) -> None:
    if not valid:
        raise ConfigError(f"training.{name}={value}", expected, f"correct training.{name}")
