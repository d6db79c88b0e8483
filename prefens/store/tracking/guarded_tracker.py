"""MLflow behind a circuit breaker: after a failed or slow call, no call is made for a while."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from alembic.util import CommandError
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from prefens.core.leases.leases import Busy
from prefens.store.tracking.mlflow_tracker import MlflowTracker

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE_SECONDS = 30.0  # without a call, after one that failed or was slow; twice as long after each further failure
LONGEST_PAUSE = 600.0  # seconds
SLOW_SECONDS = 10.0  # a call that takes longer is slow
# MLflow is down, locked, damaged or of another version, or another machine logs the same blend.
FAILURES = (MlflowException, OSError, sqlite3.Error, SQLAlchemyError, CommandError, Busy)
REFUSALS = range(400, 500)  # HTTP statuses that concern one request, not the server
RETRYABLE = (401, 403, 408, 425, 429)  # of them, those that concern the server: passwords, timeouts, too much load


@dataclass
class GuardedTracker:
    """Calls MLflow while it answers, and notes on disk where it lacks results.

    Attributes
    ----------
    connect : callable
        Returns the tracker, or raises one of `FAILURES` where MLflow does not answer.
    marker : Path
        A file that exists while MLflow may lack results of the store.
    place : str
        The database's path, or the server's address, for the warning.
    command : str
        The command that logs what MLflow lacks, for the warning.
    """

    connect: Callable[[], MlflowTracker]
    marker: Path
    place: str
    command: str
    _tracker: MlflowTracker | None = None
    _paused_until: float = 0.0
    _pause: float = PAUSE_SECONDS
    _syncing: bool = False
    _warned: bool = False
    _failed: bool = False
    _problem: str = ""

    @property
    def behind(self) -> bool:
        """Whether MLflow may lack results: a call failed, in this process or in another one on this disk."""
        return self._failed or self.marker.exists()

    @property
    def problem(self) -> str:
        """What the last failure was, with the place; empty where no call has failed."""
        return self._problem

    def attempt(self, action: Callable[[MlflowTracker], T]) -> T | None:
        """See `Tracker`. The first failure logs a warning that says how to log the results later."""
        started = time.monotonic()
        if started < self._paused_until:
            self._mark()
            return None
        try:
            if self._tracker is None:
                self._tracker = self.connect()
                started = time.monotonic()
            result = action(self._tracker)
        except FAILURES as error:
            self.note_failure(error)
            return None
        self._pause = PAUSE_SECONDS
        if not self._syncing and time.monotonic() - started > SLOW_SECONDS:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
        return result

    @contextmanager
    def catching_up(self) -> Iterator[None]:
        """Call MLflow without pauses, in a block that logs everything that it lacks of the store.

        The marker is removed where no call of any process has failed since the block began.
        """
        before = self._marker_time()
        self._paused_until, self._syncing, self._failed = 0.0, True, False
        try:
            yield
        finally:
            self._syncing = False
        if not self._failed and self._marker_time() == before:
            self.marker.unlink(missing_ok=True)

    def note_failure(self, error: Exception) -> None:
        """Remember that MLflow lacks results, and why; the first failure logs a warning."""
        if self._tracker is None or not _refused(error):
            self._paused_until = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._problem = f"{self.place}: {_reason(error)}"
        level = logging.DEBUG if self._warned else logging.WARNING
        log.log(
            level,
            "MLflow fails (%s); the results are in the store. They are logged at the end of this command, by the next "
            "command, or by: %s (tracking=none does without MLflow)",
            self._problem, self.command,
        )  # fmt: skip
        self._warned = True
        self._mark()

    def _mark(self) -> None:
        self._failed = True
        with suppress(OSError):  # a full disk: `python -m prefens.sync` needs no marker
            self.marker.parent.mkdir(parents=True, exist_ok=True)
            self.marker.touch()

    def _marker_time(self) -> int | None:
        """Return when the marker was last touched, or None where there is none."""
        try:
            return self.marker.stat().st_mtime_ns
        except OSError:
            return None


def _reason(error: Exception) -> str:
    """Return the line of an error that says what is wrong; that of a database comes after SQLAlchemy's own."""
    lines = str(error).splitlines() or [type(error).__name__]
    return next((line for line in lines if line.startswith("(sqlite3.")), lines[0])[:300]


def _refused(error: Exception) -> bool:
    """Whether MLflow answered, and refused this one request."""
    if not isinstance(error, MlflowException):
        return False
    status = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return status in REFUSALS and status not in RETRYABLE
