"""The learning rates from step to step."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from transformers import get_scheduler

from prefens.members.training.settings import Schedule, TrainingSettings

PLATEAU_FACTOR = 0.5  # on the learning rates, after an epoch that did not lower the inner loss


class LearningRates:
    """Linear warm-up, then one of `Schedule` over a known number of steps.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Whose rates change; those it has now are the peak.
    settings : TrainingSettings
        `schedule` and `warmup` are read.
    steps : int
        Optimizer steps of the whole training.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, settings: TrainingSettings, steps: int) -> None:
        self.warmup_steps, self.steps_taken = round(settings.warmup * steps), 0
        self.plateau = None
        name = settings.schedule.value
        if settings.schedule in (Schedule.plateau, Schedule.constant):
            name = "constant_with_warmup"
        self.by_step: LRScheduler = get_scheduler(name, optimizer, self.warmup_steps, steps)
        if settings.schedule is Schedule.plateau:
            self.plateau = ReduceLROnPlateau(optimizer, factor=PLATEAU_FACTOR, patience=0)

    def step(self) -> None:
        """Set the rates of the next step."""
        self.steps_taken += 1
        if self.plateau is None or self.steps_taken <= self.warmup_steps:  # later it would undo the reductions
            self.by_step.step()

    def end_epoch(self, inner_loss: float) -> None:
        """Lower the rates of schedule=plateau if the inner loss (nats) of the epoch is no better."""
        if self.plateau is not None and self.steps_taken >= self.warmup_steps:
            self.plateau.step(inner_loss)

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the schedule, for `load_state_dict`."""
        plateau = None if self.plateau is None else self.plateau.state_dict()
        return {"steps_taken": self.steps_taken, "by_step": self.by_step.state_dict(), "plateau": plateau}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.steps_taken = state["steps_taken"]
        self.by_step.load_state_dict(state["by_step"])
        if self.plateau is not None:
            self.plateau.load_state_dict(state["plateau"])
