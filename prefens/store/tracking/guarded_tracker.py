"""MLflow behind a circuit breaker: a server or a database that fails is left alone for a while."""

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

from prefens.store.tracking.mlflow_tracker import MlflowTracker

log = logging.getLogger(__name__)

T = TypeVar("T")

REST_SECONDS = 30.0  # without a call, after one that failed or was slow
SLOW_SECONDS = 10.0
FAILURES = (MlflowException, OSError, sqlite3.Error, SQLAlchemyError, CommandError)  # down, locked, damaged, foreign
REFUSALS = range(400, 500)  # HTTP statuses that are about one request, not about the server
RETRYABLE = (401, 403, 408, 425, 429)  # of those: passwords, timeouts, too many requests


@dataclass
class GuardedTracker:
    """Calls MLflow while it answers; notes on disk that it lacks something where it does not.

    Attributes
    ----------
    connect : returns the tracker; raises one of `FAILURES` where MLflow does not answer.
    marker : the file that exists while MLflow may lack results of the store.
    command : the command that logs what is lacking, for the warning.
    """

    connect: Callable[[], MlflowTracker]
    marker: Path
    command: str
    _tracker: MlflowTracker | None = None
    _silent_until: float = 0.0
    _patient: bool = False
    _warned: bool = False
    _lacks: bool = False

    @property
    def behind(self) -> bool:
        """Whether MLflow may lack results: a call failed, in this process or in another one on this disk."""
        return self._lacks or self.marker.exists()

    def attempt(self, action: Callable[[MlflowTracker], T]) -> T | None:
        """See `Tracker`. The first failure is a warning; it says how to log the results later."""
        started = time.monotonic()
        if started < self._silent_until:
            self._mark()
            return None
        try:
            if self._tracker is None:
                self._tracker = self.connect()
                started = time.monotonic()
            result = action(self._tracker)
        except FAILURES as error:
            self._handle(error)
            return None
        if not self._patient and time.monotonic() - started > SLOW_SECONDS:
            self._silent_until = time.monotonic() + REST_SECONDS
        return result

    @contextmanager
    def catching_up(self) -> Iterator[None]:
        """Call MLflow again, however slow it is, in a block that logs all of the store.

        The marker is removed where no process has failed to log anything since the block began.
        """
        before = self._marked()
        self._silent_until, self._patient, self._lacks = 0.0, True, False
        try:
            yield
        finally:
            self._patient = False
        if not self._lacks and self._marked() == before:
            self.marker.unlink(missing_ok=True)

    def _handle(self, error: Exception) -> None:
        if self._tracker is None or not _refused(error):
            self._silent_until = time.monotonic() + REST_SECONDS
        level = logging.DEBUG if self._warned else logging.WARNING
        log.log(
            level,
            "MLflow fails (%s); the results are in the store. They are logged at the end of this command, by the next "
            "command, or by: %s",
            str(error).splitlines()[0][:300], self.command,
        )  # fmt: skip
        self._warned = True
        self._mark()

    def _mark(self) -> None:
        self._lacks = True
        with suppress(OSError):  # a full disk: `python -m prefens.sync` needs no marker
            self.marker.parent.mkdir(parents=True, exist_ok=True)
            self.marker.touch()

    def _marked(self) -> int | None:
        """Return when the marker was last touched, or None where there is none."""
        try:
            return self.marker.stat().st_mtime_ns
        except OSError:
            return None


def _refused(error: Exception) -> bool:
    """Whether MLflow answered, and said no to this one request."""
    if not isinstance(error, MlflowException):
        return False
    status = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return status in REFUSALS and status not in RETRYABLE
