"""A half-trained model on disk, from which training continues as if it had never stopped: the same bits on a CPU."""

from __future__ import annotations

import logging
import pickle
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from prefens.core import shutdown
from prefens.core.files import atomic_write
from prefens.members.training.state import TrainingState

log = logging.getLogger(__name__)

# What torch, zipfile and TrainingState raise for a file that is no checkpoint of this training.
UNREADABLE = (
    OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError,
)  # fmt: skip


@dataclass(eq=False)
class Checkpoint:
    """The file that keeps the training state of one fold run.

    Attributes
    ----------
    path : Path
        The file.
    key : str
        The digest of the fold run; a file with another key is not used.
    minutes : float, at least 0
        Between two writes.
    """

    path: Path
    key: str
    minutes: float

    def __post_init__(self) -> None:
        self._started = self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._saved >= 60 * self.minutes

    def save(self, state: TrainingState) -> None:
        """Write a training state, completely or not at all; where the disk refuses, a warning is logged."""
        seconds = state.seconds + time.monotonic() - self._started
        try:
            with atomic_write(self.path) as tmp:
                torch.save({**state.state_dict(), "key": self.key, "seconds": seconds}, tmp)
            shutdown.note_kept()
        except (OSError, RuntimeError) as error:
            log.warning("%s: no checkpoint (%s); training goes on without", self.path, str(error).splitlines()[0])
        self._saved = time.monotonic()

    def restore(self, state: TrainingState) -> bool:
        """Load the file into a training state, and return whether there was one to load.

        A damaged file, or one of another fold run, is deleted with a warning.
        """
        if not self.path.exists():
            return False
        try:
            state.load_state_dict(self._read())
        except UNREADABLE as error:
            log.warning("%s: %s; the fold starts afresh", self.path, str(error).splitlines()[0] or type(error).__name__)
            self.path.unlink(missing_ok=True)
            return False
        log.info("going on from step %d (%s)", len(state.train_losses), self.path)
        return True

    def _read(self) -> Mapping[str, Any]:
        with zipfile.ZipFile(self.path) as parts:  # torch itself does not look at the checksums that it writes
            if parts.testzip() is not None:
                raise ValueError("a damaged checkpoint, not the bytes that were written")
        state: Mapping[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        if state["key"] != self.key:
            raise ValueError(f"the checkpoint of another fold run ({state['key'][:12]})")
        return state
