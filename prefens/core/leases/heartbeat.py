"""Heartbeats: a file that its owner touches while it lives, and whose age is measured by the file system's clock."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HEARTBEAT_SECONDS = 15.0  # between two heartbeats
STALE_SECONDS = 300.0  # without a heartbeat, after which a process that can't be seen from here counts as dead


@contextmanager
def heartbeat(path: Path) -> Iterator[None]:
    """Touch a file every few seconds during the block."""
    done = threading.Event()
    thread = threading.Thread(target=_touch, args=(path, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def is_beating(path: Path) -> bool:
    """Whether a file was touched recently; OSError where it is missing."""
    return file_system_time(path.parent) - path.stat().st_mtime < STALE_SECONDS


def file_system_time(folder: Path) -> float:
    """Return the time in seconds since the epoch by the clock that dates the files of a folder.

    Machines that share a folder have clocks of their own, which may differ by minutes. So a file is made, and its time
    read. Where none can be made, this machine's clock stands in.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            return os.fstat(stream.fileno()).st_mtime
    except OSError:
        return time.time()


def _touch(path: Path, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        with suppress(OSError):  # the next one may succeed
            os.utime(path)
