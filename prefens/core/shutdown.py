"""Stopping a process early, by SIGTERM, Ctrl-C or the end of a time budget, so that it can save its work first.

A time budget stops nothing before a unit of work is kept, so that a command that is repeated ends, even where its start
takes longer than the budget.
"""

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
REPEAT_SECONDS = 2.0  # in which a second Ctrl-C counts as the first: a terminal and a parent process may both send it


class Stopped(KeyboardInterrupt):
    """The process was asked to stop; this is no error.

    Attributes
    ----------
    reason : str
        Why it stops, for people.
    code : int
        The exit status: 130 (Ctrl-C), 143 (SIGTERM) or `BUDGET_SPENT`.
    """

    def __init__(self, reason: str, code: int) -> None:
        self.reason, self.code = reason, code
        super().__init__(reason)

    def __reduce__(self) -> tuple[type, tuple[str, int]]:
        return type(self), (self.reason, self.code)


@dataclass
class _State:
    request: Stopped | None = None
    deadline: float | None = None  # in seconds since the epoch
    kept: bool = False  # whether work was kept since the deadline was set
    requested_at: float = 0.0  # in seconds of the monotonic clock
    deferrals: int = 0  # blocks of `defer` that are open
    forward: Callable[[], None] | None = None


_state = _State()


def install() -> None:
    """Turn SIGTERM and Ctrl-C into `Stopped`: at once, or within `defer` where the block calls `check`."""
    _state.deferrals = 0
    _install_handlers()


def suspend() -> None:
    """Only remember signals until `install` is called: a worker between two jobs has nothing to stop."""
    _state.deferrals = 1
    _install_handlers()


def _install_handlers() -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _on_signal)
        signal.signal(signal.SIGINT, _on_signal)


def forward(to: Callable[[], None] | None) -> None:
    """Call `to` on a signal, instead of stopping: for the parent of processes that do the work. None undoes it."""
    _state.forward = to


def set_deadline(moment: float | None, kept: bool = False) -> None:
    """Set when the time budget ends, in seconds since the epoch; None for never.

    `kept` says whether another process with the same budget has kept work.
    """
    _state.deadline, _state.kept = moment, kept


def note_kept() -> None:
    """Note that this process has kept work that it need not do again: the time budget may stop it from now on."""
    _state.kept = True


def has_kept() -> bool:
    """Return whether work was kept since the deadline was set."""
    return _state.kept


@contextmanager
def defer() -> Iterator[None]:
    """Keep signals from interrupting the block; it calls `check` where it can stop. A second Ctrl-C interrupts it."""
    _state.deferrals += 1
    try:
        yield
    finally:
        _state.deferrals -= 1
    if _state.request is not None and not _state.deferrals:
        raise _state.request


def requested(lossless: bool = False) -> Stopped | None:
    """Return the request to stop, by signal or because the time budget is spent, or None.

    `lossless` says that no work is lost here: the caller keeps it before it stops, or waits for another process. The
    time budget counts then even where nothing was kept before.
    """
    spent = _state.deadline is not None and time.time() > _state.deadline
    if _state.request is None and spent and (_state.kept or lossless):
        return Stopped("the time budget is spent", BUDGET_SPENT)
    return _state.request


def check(lossless: bool = False) -> None:
    """Raise `Stopped` if this process was asked to stop, as `requested` tells."""
    request = requested(lossless)
    if request is not None:
        raise request


def _on_signal(number: int, frame: FrameType | None) -> None:
    earlier = _state.request
    if earlier is not None:
        if number == signal.SIGINT and time.monotonic() - _state.requested_at > REPEAT_SECONDS:
            raise earlier
        return
    name = "interrupted" if number == signal.SIGINT else "asked to stop (SIGTERM)"
    _state.request, _state.requested_at = Stopped(name, 128 + number), time.monotonic()
    print(f"\n{name}: saving what can be saved", file=sys.stderr, flush=True)
    if _state.forward is not None:
        _state.forward()
    elif not _state.deferrals:
        raise _state.request
