"""Progress of long loops: a bar on a terminal, a log line every 30 seconds elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")
LOG_SECONDS = 30.0  # between two log lines


def progress(items: Iterable[T], name: str, total: int | None = None) -> Iterator[T]:
    """Yield items, and show how many are done.

    Parameters
    ----------
    items : iterable
        What the loop is over.
    name : str
        What the loop does, for the bar or the log line.
    total : int or None
        The number of items, where they have no length.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        from tqdm import tqdm
        from tqdm.contrib.logging import logging_redirect_tqdm

        with logging_redirect_tqdm():
            yield from tqdm(items, name, total, leave=False)
        return
    last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last > LOG_SECONDS:
            last = time.monotonic()
            log.info("%s: %d of %s", name, done, total or "?")
