"""The state of a training between two optimizer steps: everything that the next step depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from prefens.members.nn.trainable_state import fits, unfrozen_state_dict
from prefens.members.training.oom import TokenBudget
from prefens.members.training.schedule import LearningRates


@dataclass(eq=False)
class TrainingState:
    """A training between two steps, when there are no gradients.

    The order of the rows and the swapped rows are drawn from the seed by generators of their own, so the number of the
    step is the position in them; the global generators of numpy and Python are never used.

    Attributes
    ----------
    model : nn.Module
        The model in training.
    optimizer : torch.optim.Optimizer
        Of its trained weights.
    learning_rates : LearningRates
        The schedule.
    ema_model : AveragedModel or None
        The moving average of the weights, where there is one; it predicts.
    budget : TokenBudget
        Tokens in a forward pass; less than at first once memory ran out.
    train_losses : list of float, nats
        The training loss of each step.
    inner_losses : list of float, nats
        The loss on the inner split after each epoch.
    best_weights : dict of str to torch.Tensor, or None
        The predicting weights of the epoch with the lowest inner loss, or None before there is one.
    seconds : float
        Spent on these steps by processes that were interrupted.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    learning_rates: LearningRates
    ema_model: AveragedModel | None
    budget: TokenBudget
    train_losses: list[float] = field(default_factory=list)
    inner_losses: list[float] = field(default_factory=list)
    best_weights: dict[str, torch.Tensor] | None = None
    seconds: float = 0.0

    @property
    def predictor(self) -> nn.Module:
        """The model that predicts: the moving average of the weights where there is one, else the trained one."""
        return self.model if self.ema_model is None else self.ema_model.module

    def end_epoch(self, inner_loss: float) -> None:
        """Record the loss on the inner split (nats), and keep a copy of the weights if it is the lowest so far."""
        if inner_loss < min(self.inner_losses, default=float("inf")):
            weights = unfrozen_state_dict(self.predictor)
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        self.inner_losses.append(inner_loss)
        self.learning_rates.end_epoch(inner_loss)

    def should_stop(self, patience: int | None) -> bool:
        """Return whether the inner loss has not improved for `patience` epochs; None for a fixed schedule."""
        since_best = len(self.inner_losses) - 1 - int(np.argmin(self.inner_losses)) if self.inner_losses else 0
        return patience is not None and since_best >= patience

    def finish(self) -> None:
        """Load the predicting weights into the model: those of the best epoch, where there is an inner split."""
        best = unfrozen_state_dict(self.predictor) if self.best_weights is None else self.best_weights
        self.model.load_state_dict(best, strict=False)

    def curves(self) -> dict[str, list[float]]:
        """Return "train_loss" by step and, where there is an inner split, "inner_loss" by epoch, in nats."""
        return {"train_loss": self.train_losses} | ({"inner_loss": self.inner_losses} if self.inner_losses else {})

    def metrics(self) -> dict[str, float | int]:
        """Return the final token budget and, where there is an inner split, the best epoch (from 1) and its loss."""
        metrics: dict[str, float | int] = {"token_budget": self.budget.tokens}
        if self.inner_losses:
            best_epoch = int(np.argmin(self.inner_losses)) + 1
            metrics |= {"best_epoch": best_epoch, "inner_log_loss": min(self.inner_losses)}
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on, random states included, for `load_state_dict`.

        Weights that are not trained are left out: those of a backbone beside adapters are in its own files.
        """
        return {
            "model": unfrozen_state_dict(self.model),
            "optimizer": self.optimizer.state_dict(),
            "learning_rates": self.learning_rates.state_dict(),
            "ema_model": None if self.ema_model is None else unfrozen_state_dict(self.ema_model),
            "token_budget": self.budget.tokens,
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "train_losses": self.train_losses,
            "inner_losses": self.inner_losses,
            "best_weights": self.best_weights,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        Raises
        ------
        ValueError
            It is the state of another model or of another version of prefens; nothing was changed.
        """
        if self.state_dict().keys() - state.keys() or not fits(self.model, state["model"]):
            raise ValueError("the weights of another model, or the checkpoint of another version")
        self.optimizer.load_state_dict(state["optimizer"])  # checks its groups first
        self.model.load_state_dict(state["model"], strict=False)
        self.learning_rates.load_state_dict(state["learning_rates"])
        if self.ema_model is not None:
            self.ema_model.load_state_dict(state["ema_model"], strict=False)
        self.budget.tokens = min(self.budget.tokens, int(state["token_budget"]))
        torch.set_rng_state(state["random"])
        if state["cuda_random"] and len(state["cuda_random"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda_random"])
        self.train_losses, self.inner_losses = list(state["train_losses"]), list(state["inner_losses"])
        self.best_weights, self.seconds = state["best_weights"], float(state["seconds"])
