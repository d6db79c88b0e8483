"""Training of pair models: the loop, its settings, optimizer, checkpoints, guards, and several processes at once."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.members.training.checkpoint import Checkpoint
    from prefens.members.training.collapse import CollapseGuard
    from prefens.members.training.dataset import Examples
    from prefens.members.training.loop import predict, train
    from prefens.members.training.optimizer import make_optimizer
    from prefens.members.training.precision import Precision
    from prefens.members.training.prior import class_prior
    from prefens.members.training.settings import (
        GuardSettings,
        Mode,
        OptimizerKind,
        Save,
        Schedule,
        Swap,
        TrainingSettings,
    )
    from prefens.members.training.state import TrainingState

__all__ = [
    "Checkpoint",
    "CollapseGuard",
    "Examples",
    "GuardSettings",
    "Mode",
    "OptimizerKind",
    "Precision",
    "Save",
    "Schedule",
    "Swap",
    "TrainingSettings",
    "TrainingState",
    "class_prior",
    "make_optimizer",
    "predict",
    "train",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
