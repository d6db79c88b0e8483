"""Leases: which process works on what, on this machine and on others that share the folder.

A lease is a file lock and, beside it, a JSON file that names its holder and is touched every few seconds. On one
machine the lock is enough: the system releases it when the process dies. Some network file systems keep locks to each
machine; so a lease also counts as held while its heartbeat is recent, unless its holder was a process of this host that
has ended.
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

from prefens.core.files import recover, write_json
from prefens.core.fold_run import RunKey

HEARTBEAT_SECONDS = 15.0  # between two heartbeats
STALE_SECONDS = 300.0  # without a heartbeat, after which a holder on another machine counts as dead; clocks may differ
POLL_SECONDS = 0.5  # between two looks at a lease that another process holds


class Busy(Exception):
    """A lease that a living process holds.

    Attributes
    ----------
    holder : Holder or None
        The process, or None where it has not written its name yet.
    """

    def __init__(self, holder: Holder | None) -> None:
        self.holder = holder
        super().__init__("held by " + (holder.where if holder else "another process"))


@dataclass(frozen=True)
class Holder:
    """A process that holds a lease.

    Attributes
    ----------
    host : str
        The name of its machine.
    pid : int
        Its process id there.
    process_started : float
        When the process began, in seconds since the epoch: the system uses process ids again.
    started : float
        When it acquired the lease, in seconds since the epoch.
    metadata : mapping
        What the work is, as JSON values.
    """

    host: str
    pid: int
    process_started: float
    started: float
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The process and its host, for people."""
        return f"process {self.pid} on {self.host}"

    @property
    def has_ended(self) -> bool:
        """Whether this was a process of this host, and has ended."""
        if self.host != socket.gethostname():
            return False
        try:
            return bool(abs(psutil.Process(self.pid).create_time() - self.process_started) > 2.0)
        except psutil.NoSuchProcess:
            return True


def fold_lease(root: Path, key: RunKey) -> Path:
    """Return the lease of a fold run under a tracking root."""
    return root / "locks" / f"fold-{key.digest[:16]}.json"


@contextmanager
def acquire(path: Path, metadata: Mapping[str, Any]) -> Iterator[Holder | None]:
    """Hold a lease for the block; yield the dead process that held it before, or None.

    Parameters
    ----------
    path : Path
        The JSON file of the lease; its lock lies beside it.
    metadata : mapping
        What the work is, as JSON values.

    Raises
    ------
    Busy
        Where a living process holds the lease.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise Busy(holder_of(path)) from None
    try:
        previous = holder_of(path)
        if previous is not None and is_live(path, previous) and previous.pid != os.getpid():
            raise Busy(previous)
        with _heartbeat(path, metadata):
            yield previous
    finally:
        lock.release()


@contextmanager
def _heartbeat(path: Path, metadata: Mapping[str, Any]) -> Iterator[None]:
    """Name this process as the holder of a lease, and touch the file every few seconds."""
    process = psutil.Process()
    recover(path)
    write_json(path, asdict(Holder(socket.gethostname(), process.pid, process.create_time(), time.time(), metadata)))
    done = threading.Event()
    thread = threading.Thread(target=_touch, args=(path, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        path.unlink(missing_ok=True)


def holder_of(path: Path) -> Holder | None:
    """Return the process that acquired a lease last, dead or alive; None where there is none or the file is damaged."""
    try:
        return Holder(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def is_live(path: Path, holder: Holder) -> bool:
    """Whether a lease's holder counts as living: its heartbeat is recent, and it is no ended process of this host."""
    try:
        return not holder.has_ended and time.time() - path.stat().st_mtime < STALE_SECONDS
    except OSError:
        return False


def is_held(path: Path) -> bool:
    """Whether a process that counts as living holds a lease."""
    holder = holder_of(path)
    return holder is not None and is_live(path, holder)


def _touch(path: Path, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        with contextlib.suppress(OSError):  # the next one may succeed
            os.utime(path)
