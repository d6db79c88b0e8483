"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")
PAUSE = 30.0  # seconds between plain lines


def progress(items: Iterable[T], name: str, total: int | None = None) -> Iterator[T]:
    """Yield `items`, telling how far along the loop is; `total` where the items have no length."""
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
        if time.monotonic() - last > PAUSE:
            last = time.monotonic()
            log.info("%s: %d of %s", name, done, total or "?")
