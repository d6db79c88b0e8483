"""A sweep as its jobs leave it on disk: what there is to do, what is done, and what was lost."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from prefens.core.files import write_json
from prefens.core.leases.processes import ProcessIdentity
from prefens.core.typed_json import read_typed

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended, or that it runs.

    Attributes
    ----------
    overrides : list of str
        The settings that make it this job.
    rows : list of dict
        Its results.
    error : str or None
        Why it failed.
    code : int or None
        The exit status of a job that was stopped, which is no failure.
    failure : int
        The exit status of a job that has an error.
    running : bool
        Whether it has begun and not ended, as far as it could say.
    process, host : ProcessIdentity and str
        The process that it ran in, and the name of its machine.
    """

    overrides: list[str]
    rows: Rows = field(default_factory=list)
    error: str | None = None
    code: int | None = None
    failure: int = 1
    running: bool = False
    process: ProcessIdentity = field(default_factory=ProcessIdentity.current)
    host: str = field(default_factory=socket.gethostname)

    @property
    def death(self) -> str:
        """What to say of a job that was running when its process died."""
        return f"process {self.process.pid} on {self.host}, which ran it, died (out of memory, or killed?)"


@dataclass(frozen=True)
class SweepFile:
    """The content of a sweep.json.

    Attributes
    ----------
    started : float
        When the sweep began, in seconds since the epoch.
    jobs : list of list of str
        The overrides of all jobs.
    """

    started: float
    jobs: list[list[str]]


@dataclass(frozen=True)
class Sweep:
    """The folder of a sweep: sweep.json, and per job a folder with outcome.json.

    Attributes
    ----------
    folder : Path
        Where it lies, on a disk that all its processes share.
    """

    folder: Path

    def begin(self, jobs: Sequence[Sequence[str]]) -> None:
        """Note the overrides of all jobs."""
        write_json(self.folder / "sweep.json", asdict(SweepFile(time.time(), list(map(list, jobs)))))

    def started(self) -> float:
        """Return when the sweep began, in seconds since the epoch."""
        return self._read().started

    def _read(self) -> SweepFile:
        return read_typed(self.folder / "sweep.json", SweepFile, "the jobs of a sweep", "delete the sweep's folder")

    def begin_job(self, job: Path, overrides: Sequence[str]) -> None:
        """Note that the job with this folder runs; where it has ended before, its outcome stays."""
        before = self.outcome(job) if (job / "outcome.json").exists() else None
        if before is None or before.running or before.overrides != list(overrides):
            self.note(job, JobOutcome(list(overrides), running=True))

    def note(self, job: Path, outcome: JobOutcome) -> None:
        """Write the outcome of the job with this folder."""
        write_json(job / "outcome.json", asdict(outcome))

    def outcome(self, job: Path) -> JobOutcome:
        """Return the outcome of the job with this folder; StoreError where it has not begun, or is damaged."""
        return read_typed(job / "outcome.json", JobOutcome, "the outcome of a job", "delete the sweep's folder")

    def outcomes(self) -> list[JobOutcome]:
        """Return the outcome of each job that has begun, in the order of their numbers."""
        return list(map(self.outcome, self._begun()))

    def _begun(self) -> list[Path]:
        folders = [path.parent for path in self.folder.glob("*/outcome.json") if path.parent.name.isdecimal()]
        return sorted(folders, key=lambda folder: int(folder.name))

    def pending(self) -> list[list[str]]:
        """Return the overrides of the jobs that have not begun."""
        begun = [outcome.overrides for outcome in self.outcomes()]
        return [job for job in self._read().jobs if job not in begun]

    def release_lost(self) -> int:
        """Have the jobs that were running when their process died begin once more; return how many there were.

        One that is lost for the second time has failed.
        """
        lost = [(job, outcome) for job in self._begun() if (outcome := self.outcome(job)).running]
        for job, outcome in lost:
            first = job / "lost.json"
            if first.exists():
                self.note(job, replace(outcome, running=False, error=outcome.death))
            else:
                (job / "outcome.json").rename(first)
        return len(lost)

    def stop(self) -> None:
        """Have no further job begin, and tell those that run on this machine to keep what they can and end."""
        (self.folder / "stop").touch()
        for outcome in self.outcomes():
            process = outcome.process  # an id of another container is a stranger's here
            if outcome.running and process.is_local and not process.has_ended and process.pid != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)

    def note_kept(self) -> None:
        """Note that a job has kept work: the time budget may stop all jobs from now on."""
        (self.folder / "kept").touch()

    @property
    def has_kept(self) -> bool:
        """Whether a job that has ended kept work."""
        return (self.folder / "kept").exists()

    @property
    def stopping(self) -> bool:
        """Whether no further job is to begin."""
        return (self.folder / "stop").exists()


def latest(root: Path) -> Sweep | None:
    """Return the sweep that began last under a tracking root, or None."""
    folders = sorted(path.parent for path in root.glob("hydra/*/*/sweep.json"))
    return Sweep(folders[-1]) if folders else None
