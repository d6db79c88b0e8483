"""Leases: who works on what, on this machine and on others that share the folder.

A lease is a file lock and, beside it, a JSON file with its holder, touched every few seconds. On one machine the lock
says it all: the system takes it from a process that dies. Some network file systems keep locks to each machine; so a
lease is also held while its holder's heartbeat is young, unless the holder was a process of this host that is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from prefens.core.files import mend, write_json
from prefens.core.types import RunKey

BEAT = 15.0  # seconds between two heartbeats
STALE = 300.0  # seconds without one after which a holder on another machine counts as dead; clocks may differ
POLL = 0.5  # seconds between two looks at a lease that somebody else holds


class Busy(Exception):
    """A lease that a living process holds; `holder` is it, as far as is known."""

    def __init__(self, holder: Holder | None) -> None:
        self.holder = holder
        super().__init__("held by " + (holder.where if holder else "another process"))


@dataclass(frozen=True)
class Holder:
    """A process and what it works on.

    Attributes
    ----------
    started : when the lease was taken; born : when the process began (pids are used again). Seconds since the epoch.
    about : JSON values that say what the work is.
    """

    host: str
    pid: int
    born: float
    started: float
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def gone(self) -> bool:
        """Whether this was a process of this host that has ended."""
        if self.host != socket.gethostname():
            return False
        try:
            return bool(abs(psutil.Process(self.pid).create_time() - self.born) > 2.0)
        except psutil.NoSuchProcess:
            return True


def fold_lease(root: Path, key: RunKey) -> Path:
    """Return the lease of a fold run under a tracking root."""
    return root / "locks" / f"fold-{key.digest[:16]}.json"


@contextmanager
def held(path: Path, about: Mapping[str, Any]) -> Iterator[Holder | None]:
    """Hold a lease for the block; yield the dead process that it was taken from, if any. `Busy` where one lives.

    `path` is the lease's JSON file; its lock lies beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise Busy(holder_of(path)) from None
    try:
        before = holder_of(path)
        if before is not None and is_live(path, before) and before.pid != os.getpid():
            raise Busy(before)
        with _signed(path, about):
            yield before
    finally:
        lock.release()


@contextmanager
def _signed(path: Path, about: Mapping[str, Any]) -> Iterator[None]:
    """Write this process's name into a lease and keep its heart beating."""
    process = psutil.Process()
    mend(path)
    write_json(path, asdict(Holder(socket.gethostname(), process.pid, process.create_time(), time.time(), about)))
    done = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, done), daemon=True)
    beating.start()
    try:
        yield
    finally:
        done.set()
        beating.join()
        path.unlink(missing_ok=True)


def holder_of(path: Path) -> Holder | None:
    """Return who wrote a lease last, dead or alive, or None for nobody. A damaged file is nobody's."""
    try:
        return Holder(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def is_live(path: Path, holder: Holder) -> bool:
    """Whether a lease's holder is thought to live: not a process of this host that is gone, with a young heartbeat."""
    try:
        return not holder.gone and time.time() - path.stat().st_mtime < STALE
    except OSError:
        return False


def is_held(path: Path) -> bool:
    """Whether a process that is thought to live holds a lease."""
    holder = holder_of(path)
    return holder is not None and is_live(path, holder)


def _beat(path: Path, done: threading.Event) -> None:
    while not done.wait(BEAT):
        with contextlib.suppress(OSError):  # the next beat may get through
            os.utime(path)
