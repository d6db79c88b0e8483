"""Several processes that train together: the main one leads, the others help it fold by fold and write nothing.

The main process says what comes next: the number of a fold run that is trained, or the exit status with which all of
them end. Where one dies, whoever started them ends the rest.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil

from prefens.core.errors import PrefensError
from prefens.core.shutdown import Stopped
from prefens.data.corpus import Corpus
from prefens.members.base import Member
from prefens.members.training.distributed import broadcast, rank
from prefens.runner.fit import fit_fold
from prefens.store.member_spec import MemberSpec

EXIT_GRACE_SECONDS = 20.0  # that the main process has to say how it ended, before the others end


@dataclass(frozen=True)
class ExitStatus:
    """The last message of the main process.

    Attributes
    ----------
    code : int
        The exit status with which all processes end.
    """

    code: int


@contextmanager
def lead(corpus: Corpus, spec: MemberSpec, make: Callable[[], Member], root: Path) -> Iterator[None]:
    """Have the other processes, if there are any, help with what the block trains, and end when it ends.

    They never enter the block.
    """
    if rank() > 0:
        _run_worker(corpus, spec, make, root)
    broadcast((socket.gethostname(), os.getpid()))
    try:
        yield
    except (PrefensError, Stopped) as error:
        broadcast(ExitStatus(getattr(error, "code", 1)))
        raise
    broadcast(ExitStatus(0))


def _run_worker(corpus: Corpus, spec: MemberSpec, make: Callable[[], Member], root: Path) -> NoReturn:
    """Help the main process to train fold runs of a member until it ends; then end with the same exit status."""
    host, pid = broadcast(None)
    while not isinstance(message := broadcast(None), ExitStatus):
        if not isinstance(message, int):  # the main process has begun what this one could not
            _leave(1, host, pid)
        try:
            fold = corpus.folds.split(message)
            fit_fold(corpus, fold, make(), spec.key(message), root)
        except (PrefensError, Stopped):
            continue  # all processes agree on these; the main one says what follows
    _leave(message.code, host, pid)


def _leave(code: int, host: str, pid: int) -> NoReturn:
    """End after the main process, which would be killed before its last messages if another had failed before."""
    if host == socket.gethostname():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).wait(EXIT_GRACE_SECONDS)
    sys.exit(code)
