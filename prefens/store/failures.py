"""Traces of failed fold runs beside where their results would lie, for whoever looks at the sweep later."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from prefens.core.files import write_json


@dataclass(frozen=True)
class Failure:
    """The last attempt at a fold run that failed.

    Attributes
    ----------
    kind : str, the error's class; error : str, its message.
    started, time : float, when the attempt began and failed, in seconds since the epoch.
    host : str; pid : int; where it ran.
    """

    kind: str
    error: str
    started: float
    time: float
    host: str
    pid: int

    @property
    def seconds(self) -> float:
        """How long the attempt took."""
        return self.time - self.started

    @property
    def collapsed(self) -> bool:
        """Whether the training was stopped because it learned nothing."""
        return "collapse" in self.kind.lower()


def note_failure(folder: Path, error: BaseException, started: float) -> None:
    """Note why the fold run that `folder` would hold, begun at `started` (seconds since the epoch), has failed."""
    kind = type(error).__name__
    failure = Failure(kind, str(error) or kind, started, time.time(), socket.gethostname(), os.getpid())
    write_json(_trace(folder), asdict(failure))


def failure_of(folder: Path) -> Failure | None:
    """Return why the last attempt at a fold run failed, or None where it did not."""
    try:
        return Failure(**json.loads(_trace(folder).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def clear_failure(folder: Path) -> None:
    """Forget the failure of a fold run that has succeeded since."""
    _trace(folder).unlink(missing_ok=True)


def _trace(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.failed.json")
