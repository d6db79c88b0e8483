"""A sweep as its jobs leave it on disk: what there is to do, what was done, and what was lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from prefens.core.files import write_json

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """How a job stands.

    Attributes
    ----------
    overrides : the settings that make it this job; rows : of results; error : why it failed.
    code : the exit status of a job that was stopped, which is no failure.
    running : whether it has begun and not ended, as far as it could say; pid, host : the process it ran in.
    """

    overrides: list[str]
    rows: Rows = field(default_factory=list)
    error: str | None = None
    code: int | None = None
    running: bool = False
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)


@dataclass(frozen=True)
class Sweep:
    """The folder of a sweep: sweep.json, and outcome.json in a folder per job."""

    folder: Path

    def begin(self, jobs: Sequence[Sequence[str]], settled: Sequence[Outcome] = ()) -> None:
        """Note the overrides of all jobs, and the outcomes of those that are not to run again."""
        about = {"started": time.time(), "jobs": list(map(list, jobs)), "settled": [asdict(each) for each in settled]}
        write_json(self.folder / "sweep.json", about)

    def about(self) -> dict[str, Any]:
        """Return when the sweep began (seconds since the epoch), its jobs, and those settled before."""
        found: dict[str, Any] = json.loads((self.folder / "sweep.json").read_text("utf-8"))
        return found

    def settled(self, overrides: Sequence[str]) -> Outcome | None:
        """Return the outcome of a job that is not to run again, or None."""
        return next((Outcome(**each) for each in self.about()["settled"] if each["overrides"] == list(overrides)), None)

    def note(self, job: Path, outcome: Outcome) -> None:
        """Write how the job with this folder stands."""
        write_json(job / "outcome.json", asdict(outcome))

    def outcomes(self) -> list[Outcome]:
        """Return how each job stands that has begun, in the order of their numbers."""
        found = sorted(self.folder.glob("*/outcome.json"), key=lambda path: int(path.parent.name))
        return [Outcome(**json.loads(path.read_text("utf-8"))) for path in found]

    def pending(self) -> list[list[str]]:
        """Return the overrides of the jobs that have not begun."""
        begun = [outcome.overrides for outcome in self.outcomes()]
        return [job for job in self.about()["jobs"] if job not in begun]

    def stop(self) -> None:
        """Have no further job begin, and tell those that run on this host to keep what they can and end."""
        (self.folder / "stop").touch()
        for outcome in self.outcomes():
            if outcome.running and outcome.host == socket.gethostname() and outcome.pid != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(outcome.pid, signal.SIGTERM)

    @property
    def stopping(self) -> bool:
        return (self.folder / "stop").exists()


def latest(root: Path) -> Sweep | None:
    """Return the sweep that began last under a tracking root, or None."""
    folders = sorted(path.parent for path in root.glob("hydra/*/*/sweep.json"))
    return Sweep(folders[-1]) if folders else None
