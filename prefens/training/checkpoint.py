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

import torch
from torch import nn

from prefens.files import written_aside

log = logging.getLogger(__name__)

UNREADABLE = (
    OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError,
)  # fmt: skip


@dataclass(eq=False)
class Progress:
    """How far a training is: everything that the next step depends on.

    Between two steps there are no gradients. The order of the rows is drawn from the seed by a generator of its own,
    so the number of the step is the place in it; numpy's and Python's global generators are never used.

    Attributes
    ----------
    curve : the training loss of each step taken, in nats; seconds : spent on them by earlier processes.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    curve: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "curve": self.curve,
            "seconds": self.seconds,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state. ValueError, before anything is changed, where it is that of another model."""
        if _shapes(self.model.state_dict()) != _shapes(state["model"]):
            raise ValueError("the weights of another model")
        self.optimiser.load_state_dict(state["optimiser"])  # checks its groups first
        self.model.load_state_dict(state["model"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        if state["cuda_random"] and len(state["cuda_random"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda_random"])
        self.curve, self.seconds = list(state["curve"]), float(state["seconds"])


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
            with written_aside(self.path) as aside:
                torch.save({**progress.state(), "key": self.key, "seconds": spent}, aside)
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
