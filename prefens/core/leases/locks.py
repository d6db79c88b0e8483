"""File locks, which the system releases when their holder dies."""

from __future__ import annotations

import errno
from pathlib import Path

from filelock import FileLock, Timeout

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # what file systems without locks answer


def try_lock(path: Path) -> FileLock | None:
    """Lock a file, without waiting.

    Returns
    -------
    FileLock or None
        The lock, which is not held where the file system has no locks; None where another process holds it.

    Raises
    ------
    OSError
        Where the file can't be written.
    """
    lock = FileLock(path, timeout=0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return lock
