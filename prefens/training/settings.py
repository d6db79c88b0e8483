"""How a pair model is trained."""

from dataclasses import dataclass
from enum import Enum

from prefens.errors import ConfigError
from prefens.training.precision import Precision


class Save(Enum):
    """In which precision a fold model is kept for prediction, if at all."""

    fp16 = "fp16"
    fp32 = "fp32"
    none = "none"


@dataclass
class TrainingSettings:
    """A fixed schedule: warm-up, then cosine decay to zero.

    lr, head_lr: peak learning rates of encoder and head; epochs: passes over the training rows; batch_pairs:
    pairs in an optimiser step; token_budget: real tokens in a forward pass; weight_decay: not on biases and
    norms; warmup: share of the steps; label_smoothing in [0, 1); clip: largest gradient norm; checkpoint_minutes:
    between two checkpoints, 0 for one after every step; precision: of the encoder's products;
    compile: whether training runs the encoder through torch.compile.
    """

    lr: float = 2e-5
    head_lr: float = 1e-3
    epochs: int = 2
    batch_pairs: int = 32
    token_budget: int = 16384
    weight_decay: float = 0.01
    warmup: float = 0.1
    label_smoothing: float = 0.0
    clip: float = 1.0
    precision: Precision = Precision.auto
    compile: bool = False
    save: Save = Save.fp16
    checkpoint_minutes: float = 10.0

    def __post_init__(self) -> None:
        for name in ("lr", "head_lr", "epochs", "batch_pairs", "token_budget", "clip"):
            if not getattr(self, name) > 0:
                raise ConfigError(
                    f"training.{name}={getattr(self, name)}", "a positive number", f"correct training.{name}"
                )
        if not self.checkpoint_minutes >= 0:
            raise ConfigError(
                f"training.checkpoint_minutes={self.checkpoint_minutes}", "0 or more", "correct the setting"
            )
