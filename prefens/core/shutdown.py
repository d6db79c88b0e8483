"""Stopping a process early: SIGTERM, Ctrl-C, or the end of a time budget. What can be kept is kept first."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

BUDGET_SPENT = 75  # the exit code: EX_TEMPFAIL of sysexits.h, "try again later"
HASTE = 2.0  # seconds in which a second Ctrl-C is the first one's: a terminal and a parent process may both send it


class Stopped(KeyboardInterrupt):
    """The process was asked to stop; no error. `code` is the exit status that says why: 130, 143 or BUDGET_SPENT."""

    def __init__(self, reason: str, code: int) -> None:
        self.reason, self.code = reason, code
        super().__init__(reason)

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return type(self), (self.reason, self.code)


@dataclass
class _State:
    request: Stopped | None = None
    deadline: float | None = None  # in seconds since the epoch
    heard: float = 0.0
    patient: int = 0  # how many blocks that end by themselves are open
    forward: Callable[[], None] | None = None


_state = _State()


def install() -> None:
    """Turn SIGTERM and Ctrl-C into `Stopped`, at once or, within `defer`, where the block looks for it."""
    _state.patient = 0
    _handle()


def suspend() -> None:
    """Only remember signals, until `install`: a worker between two jobs has nothing to stop."""
    _state.patient = 1
    _handle()


def _handle() -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _hear)
        signal.signal(signal.SIGINT, _hear)


def forward(to: Callable[[], None] | None) -> None:
    """Have `to` called on a signal, instead of stopping: for the parent of processes that do the work."""
    _state.forward = to


def set_deadline(moment: float | None) -> None:
    """Fix when the time budget ends, in seconds since the epoch; None for never."""
    _state.deadline = moment


@contextmanager
def defer() -> Iterator[None]:
    """Keep signals from cutting the block off; it calls `check` where it can stop. A second Ctrl-C does cut it."""
    _state.patient += 1
    try:
        yield
    finally:
        _state.patient -= 1
    if _state.request is not None and not _state.patient:
        raise _state.request


def requested() -> Stopped | None:
    """Return the request to stop, by signal or because the time budget is spent, or None."""
    if _state.request is None and _state.deadline is not None and time.time() > _state.deadline:
        return Stopped("the time budget is spent", BUDGET_SPENT)
    return _state.request


def check() -> None:
    """Raise `Stopped` if this process was asked to stop."""
    request = requested()
    if request is not None:
        raise request


def _hear(number: int, frame: FrameType | None) -> None:
    before = _state.request
    if before is not None:
        if number == signal.SIGINT and time.monotonic() - _state.heard > HASTE:
            raise before
        return
    name = "interrupted" if number == signal.SIGINT else "asked to stop (SIGTERM)"
    _state.request, _state.heard = Stopped(name, 128 + number), time.monotonic()
    print(f"\n{name}: keeping what can be kept", file=sys.stderr, flush=True)
    if _state.forward is not None:
        _state.forward()
    elif not _state.patient:
        raise _state.request
