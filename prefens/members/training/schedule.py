"""The learning rates from step to step."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from transformers import get_scheduler

from prefens.members.training.settings import Schedule, TrainingSettings

FACTOR = 0.5  # on the learning rates, where an epoch did not better the inner loss


class LearningRates:
    """Linear warm-up, then one of `Schedule` over a known number of steps."""

    def __init__(self, optimizer: torch.optim.Optimizer, wanted: TrainingSettings, steps: int) -> None:
        self.warmup, self.taken = round(wanted.warmup * steps), 0
        self.plateau = None
        name = wanted.schedule.value
        if wanted.schedule in (Schedule.plateau, Schedule.constant):
            name = "constant_with_warmup"
        self.by_step: LRScheduler = get_scheduler(name, optimizer, self.warmup, steps)
        if wanted.schedule is Schedule.plateau:
            self.plateau = ReduceLROnPlateau(optimizer, factor=FACTOR, patience=0)

    def step(self) -> None:
        """Go on to the next step's rates."""
        self.taken += 1
        if self.plateau is None or self.taken <= self.warmup:  # afterwards it would undo the plateau's reductions
            self.by_step.step()

    def end_epoch(self, inner_loss: float) -> None:
        """Take note of the inner loss after an epoch."""
        if self.plateau is not None and self.taken >= self.warmup:
            self.plateau.step(inner_loss)

    def state_dict(self) -> dict[str, Any]:
        plateau = None if self.plateau is None else self.plateau.state_dict()
        return {"taken": self.taken, "by_step": self.by_step.state_dict(), "plateau": plateau}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.taken = state["taken"]
        self.by_step.load_state_dict(state["by_step"])
        if self.plateau is not None:
            self.plateau.load_state_dict(state["plateau"])
