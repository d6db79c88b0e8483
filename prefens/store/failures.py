"""Failed fold runs: why the last attempt failed, in a file beside the folder that the result would have."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from prefens.core.errors import StoreError
from prefens.core.files import write_json
from prefens.core.typed_json import read_typed


@dataclass(frozen=True)
class Failure:
    """The last attempt at a fold run that failed.

    Attributes
    ----------
    kind : str
        The class of the error.
    error : str
        Its message.
    started, time : float
        When the attempt began and when it failed, in seconds since the epoch.
    host : str
        The machine that it ran on.
    pid : int
        Its process there.
    """

    kind: str
    error: str
    started: float
    time: float
    host: str
    pid: int

    @property
    def seconds(self) -> float:
        """How long the attempt took, in seconds."""
        return self.time - self.started

    @property
    def collapsed(self) -> bool:
        """Whether the training was stopped because it learned nothing."""
        return "collapse" in self.kind.lower()


def note_failure(folder: Path, error: BaseException, started: float) -> None:
    """Store why the fold run of a folder has failed; it began at `started`, in seconds since the epoch."""
    kind = type(error).__name__
    failure = Failure(kind, str(error) or kind, started, time.time(), socket.gethostname(), os.getpid())
    write_json(_failure_path(folder), asdict(failure))


def failure_of(folder: Path) -> Failure | None:
    """Return why the last attempt at the fold run of a folder failed, or None where it did not."""
    try:
        return read_typed(_failure_path(folder), Failure, "why a fold run failed", "train it again")
    except StoreError:  # none, or a damaged one, which the next attempt replaces
        return None


def clear_failure(folder: Path) -> None:
    """Delete the failure of a fold run that has succeeded since."""
    _failure_path(folder).unlink(missing_ok=True)


def _failure_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.failed.json")
