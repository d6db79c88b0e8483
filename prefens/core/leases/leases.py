"""Leases: which process works on what, on this machine and on others that share the folder.

A lease is a file lock and, beside it, a JSON file that names its holder and is touched every few seconds. Where file
locks reach every process, the lock is enough: the system releases it when the process dies. Some network file systems
keep locks to each machine, or have none. So a lease also counts as held while its heartbeat is recent, unless its
holder is known to have ended. The age of a heartbeat is measured by the clock of the file system, which all share.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from prefens.core import shutdown
from prefens.core.errors import StoreError
from prefens.core.files import recover, write_json
from prefens.core.fold_run import RunKey
from prefens.core.leases.heartbeat import heartbeat, is_beating
from prefens.core.leases.locks import try_lock
from prefens.core.leases.processes import ProcessIdentity
from prefens.core.typed_json import read_typed

log = logging.getLogger(__name__)

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
    process : ProcessIdentity
        The process.
    started : float
        When it acquired the lease, in seconds since the epoch.
    metadata : mapping
        What the work is, as JSON values.
    host : str
        The name of its machine, for people.
    """

    process: ProcessIdentity
    started: float
    metadata: Mapping[str, Any] = field(default_factory=dict)
    host: str = field(default_factory=socket.gethostname)

    @property
    def where(self) -> str:
        """The process and its host, for people."""
        return f"process {self.process.pid} on {self.host}"


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
    with _locked(path):
        previous, holder = holder_of(path), Holder(ProcessIdentity.current(), time.time(), metadata)
        if previous is not None and previous.process != holder.process and is_live(path, previous):
            raise Busy(previous)
        recover(path)
        write_json(path, asdict(holder))
        try:
            with heartbeat(path):
                yield previous
        finally:
            current = holder_of(path)
            if current is None or current.process == holder.process:  # else this process slept until it was taken over
                path.unlink(missing_ok=True)


@contextmanager
def wait_for(path: Path, metadata: Mapping[str, Any]) -> Iterator[Holder | None]:
    """As `acquire`, after the living process that holds the lease has released it.

    Raises
    ------
    Stopped
        Where this process is asked to stop while it waits.
    """
    with ExitStack() as lease:
        waits = False
        while True:
            try:
                previous = lease.enter_context(acquire(path, metadata))
                break
            except Busy as busy:
                if not waits:
                    log.info("%s is %s; waiting", path.stem, busy)
                waits = True
                shutdown.check(lossless=True)
                time.sleep(POLL_SECONDS)
        yield previous


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file lock of a lease, where the file system has locks; `Busy` where another process holds it."""
    lock = try_lock(path.with_suffix(".lock"))
    if lock is None:
        raise Busy(holder_of(path))
    try:
        yield
    finally:
        lock.release()


def holder_of(path: Path) -> Holder | None:
    """Return the process that acquired a lease last, dead or alive; None where there is none or the file is damaged."""
    try:
        return read_typed(path, Holder, "the holder of a lease", "remove the file")
    except (OSError, StoreError):
        return None


def is_live(path: Path, holder: Holder) -> bool:
    """Whether a lease's holder counts as living: its heartbeat is recent, and it is not known to have ended."""
    with suppress(OSError):
        return not holder.process.has_ended and is_beating(path)
    return False


def is_held(path: Path) -> bool:
    """Whether a process that counts as living holds a lease."""
    holder = holder_of(path)
    return holder is not None and is_live(path, holder)
