"""Processes as others know them: on which machine and in which container each runs, and whether it has ended."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux: another one after each start of the machine


@dataclass(frozen=True)
class ProcessIdentity:
    """What tells a process from all others that share a folder with it.

    Attributes
    ----------
    machine : str
        The boot id of its machine, or the host name where the system has none.
    namespace : str
        The pid namespace, in which its id is unique: containers on one machine have one each.
    pid : int
        Its id in that namespace. In a container it is often 1.
    started : float
        When it began, in clock ticks since the machine started, or in seconds since the epoch where the system has no
        /proc: process ids are used again.
    """

    machine: str
    namespace: str
    pid: int
    started: float

    @classmethod
    def current(cls) -> Self:
        """Return the identity of this process."""
        return cls(machine_id(), _namespace(os.getpid()), os.getpid(), _start_time("self", os.getpid()) or 0.0)

    @property
    def is_local(self) -> bool:
        """Whether this process can see the other one: they share the machine and the pid namespace."""
        return (self.machine, self.namespace) == (machine_id(), _namespace(os.getpid()))

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to have ended; False where this process can't see it."""
        if not self.is_local:
            return False
        if not psutil.pid_exists(self.pid):
            return True
        started = _start_time(self.pid, self.pid)
        return started is not None and started != self.started


@lru_cache(maxsize=1)
def machine_id() -> str:
    """Return the boot id of this machine, or its host name where there is none."""
    try:
        return BOOT_ID.read_text("utf-8").strip()
    except OSError:
        return socket.gethostname()


@lru_cache(maxsize=1)
def _namespace(pid: int) -> str:
    """Return the pid namespace of this process; "" where the system has none.

    Where /proc shows another namespace than the process runs in, the name is one of its own: nobody can see it.
    """
    if not Path("/proc/self").exists():
        return ""
    try:
        visible = str(Path("/proc/self").readlink()) == str(pid)
        return str(Path("/proc/self/ns/pid").readlink()) if visible else uuid.uuid4().hex
    except OSError:
        return uuid.uuid4().hex


def _start_time(entry: int | str, pid: int) -> float | None:
    """Return when a process began; None where the system does not say, -1 where it has ended and nobody has noticed.

    The clock ticks of /proc do not change with the machine's clock, as psutil's seconds do.
    """
    try:
        state, *numbers = Path(f"/proc/{entry}/stat").read_text("utf-8").rpartition(")")[2].split()
        return -1.0 if state in "ZX" else float(numbers[18])
    except (OSError, IndexError, ValueError):
        if Path("/proc/self").exists():
            return None
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
