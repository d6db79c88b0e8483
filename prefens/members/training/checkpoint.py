"""A half-trained model on disk, from which training goes on as if it had never stopped: the same bits on a CPU."""

from __future__ import annotations

import logging
import pickle
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from prefens.core.files import atomic_write
from prefens.members.training.oom import TokenBudget
from prefens.members.training.schedule import LearningRates

log = logging.getLogger(__name__)

UNREADABLE = (
    OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError,
)  # fmt: skip


@dataclass(eq=False)
class Progress:
    """How far a training is: everything that the next step depends on.

    Between two steps there are no gradients. The order of the rows, and which of them are swapped, are drawn from the
    seed by generators of their own, so the number of the step is the place in them; numpy's and Python's global
    generators are never used.

    Attributes
    ----------
    averaged : the average of the weights, where there is one; it predicts.
    budget : of tokens in a forward pass, less than at first after memory ran out.
    curve : the training loss of each step taken, in nats; inner : the loss on the inner split after each epoch.
    best : the predicting weights of the epoch with the least inner loss, or None before there is one.
    seconds : spent on the steps by earlier processes.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    rates: LearningRates
    averaged: AveragedModel | None
    budget: TokenBudget
    curve: list[float] = field(default_factory=list)
    inner: list[float] = field(default_factory=list)
    best: dict[str, torch.Tensor] | None = None
    seconds: float = 0.0

    @property
    def predictor(self) -> nn.Module:
        """The model that predicts: the average of the weights, or the trained ones."""
        return self.model if self.averaged is None else self.averaged.module

    def end_epoch(self, inner_loss: float) -> None:
        """Take note of the loss on the inner split, and keep the weights if it is the least so far."""
        if inner_loss < min(self.inner, default=float("inf")):
            weights = self.predictor.state_dict()
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        self.inner.append(inner_loss)
        self.rates.end_epoch(inner_loss)

    def is_over(self, patience: int | None) -> bool:
        """Whether the inner loss has not become less for `patience` epochs."""
        since = len(self.inner) - 1 - int(np.argmin(self.inner)) if self.inner else 0
        return patience is not None and since >= patience

    def finish(self) -> None:
        """Put the predicting weights into the model: those of the best epoch, where there is an inner split."""
        self.model.load_state_dict(self.predictor.state_dict() if self.best is None else self.best)

    def curves(self) -> dict[str, list[float]]:
        """Return the losses by name: of each step, and of each epoch where there is an inner split."""
        return {"train_loss": self.curve} | ({"inner_loss": self.inner} if self.inner else {})

    def facts(self) -> dict[str, float | int]:
        """Return the tokens in a forward pass after all, and, where one is chosen, the epoch (from 1) that predicts."""
        best = {"best_epoch": int(np.argmin(self.inner)) + 1, "inner_log_loss": min(self.inner)} if self.inner else {}
        return {"token_budget": self.budget.tokens, **best}

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rates": self.rates.state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "token_budget": self.budget.tokens,
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "curve": self.curve,
            "inner": self.inner,
            "best": self.best,
            "seconds": self.seconds,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state. ValueError, before anything is changed, where it is that of another model."""
        if self.state().keys() - state.keys() or _shapes(self.model.state_dict()) != _shapes(state["model"]):
            raise ValueError("the weights of another model, or the checkpoint of another version")
        self.optimiser.load_state_dict(state["optimiser"])  # checks its groups first
        self.model.load_state_dict(state["model"])
        self.rates.load_state_dict(state["rates"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        self.budget.tokens = min(self.budget.tokens, int(state["token_budget"]))
        torch.set_rng_state(state["random"])
        if state["cuda_random"] and len(state["cuda_random"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda_random"])
        self.curve, self.inner, self.best = list(state["curve"]), list(state["inner"]), state["best"]
        self.seconds = float(state["seconds"])


def _shapes(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items()}


@dataclass(eq=False)
class Checkpoint:
    """Keeps one fold run's progress in a file.

    Attributes
    ----------
    path : the file; key : of the fold run, without which a file is foreign; minutes : between two writes, at least 0.
    """

    path: Path
    key: str
    minutes: float

    def __post_init__(self) -> None:
        self._started = self._written = time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._written >= 60 * self.minutes

    def save(self, progress: Progress) -> None:
        """Write the progress, whole or not at all; a disk that refuses is told, and the training goes on."""
        spent = progress.seconds + time.monotonic() - self._started
        try:
            with atomic_write(self.path) as tmp:
                torch.save({**progress.state(), "key": self.key, "seconds": spent}, tmp)
        except (OSError, RuntimeError) as error:
            log.warning("%s: no checkpoint (%s); training goes on without", self.path, str(error).splitlines()[0])
        self._written = time.monotonic()

    def restore(self, progress: Progress) -> bool:
        """Go on from the file, if there is one; whether so. A damaged or foreign one is told and thrown away."""
        if not self.path.exists():
            return False
        try:
            progress.restore(self._read())
        except UNREADABLE as error:
            log.warning("%s: %s; the fold starts afresh", self.path, str(error).splitlines()[0] or type(error).__name__)
            self.path.unlink(missing_ok=True)
            return False
        log.info("going on from step %d (%s)", len(progress.curve), self.path)
        return True

    def _read(self) -> Mapping[str, Any]:
        with zipfile.ZipFile(self.path) as parts:  # torch itself does not look at the checksums that it writes
            if parts.testzip() is not None:
                raise ValueError("a damaged checkpoint, not the bytes that were written")
        state: Mapping[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        if state["key"] != self.key:
            raise ValueError(f"the checkpoint of another fold run ({state['key'][:12]})")
        return state
