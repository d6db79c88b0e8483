"""Progress of long loops: a bar on a terminal, a log line every 30 seconds elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")
LOG_SECONDS = 30.0  # between two log lines
_bars: list[object] = []  # that are on the terminal: one at most, since a second one leaves blank lines


def progress(items: Iterable[T], name: str, total: int | None = None) -> Iterator[T]:
    """Yield items, and show how many are done; a single item needs no bar.

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
    if total == 1:
        yield from items
        return

    def line(done: int, seconds: float) -> str:
        return f"{name}: {done} of {total or '?'}"

    with _shown(line, desc=name, total=total) as advance:
        for item in items:
            yield item
            advance(1)


def token_progress(batches: Sequence[T], name: str, tokens: Sequence[int], done: int = 0) -> Iterator[T]:
    """Yield batches, and show how many tokens are done, tokens a second and the time left.

    Parameters
    ----------
    batches : sequence
        What the loop is over.
    name : str
        What the loop does, for the bar or the log line.
    tokens : sequence of int
        Tokens of each batch.
    done : int
        Tokens that were done before the loop.
    """
    total = done + sum(tokens)

    def line(ended: int, seconds: float) -> str:
        speed = (ended - done) / seconds
        return (
            f"{name}: {100 * ended / total:.0f} % of {total / 1e6:.1f} million tokens, {speed:.0f} a second, "
            f"{(total - ended) / speed / 60:.0f} min left"
        )

    with _shown(line, done, desc=name, total=total, unit=" tokens", unit_scale=True) as advance:
        for batch, count in zip(batches, tokens, strict=True):
            yield batch
            advance(count)


@contextmanager
def _shown(line: Callable[[int, float], str], done: int = 0, **bar: Any) -> Iterator[Callable[[int], object]]:
    """Yield a function to call with what a step has done: it moves tqdm's `bar`, or logs a `line` from time to time.

    `line` is given what is done, with the `done` of before, and the seconds since the start. A loop within a loop that
    has a bar shows nothing.
    """
    if _bars:
        yield lambda count: None
        return
    if sys.stderr.isatty():
        from tqdm import tqdm
        from tqdm.contrib.logging import logging_redirect_tqdm

        with logging_redirect_tqdm(), tqdm(initial=done, leave=False, **bar) as shown:
            _bars.append(shown)
            try:
                yield shown.update
            finally:
                _bars.clear()
        return
    start = last = time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last > LOG_SECONDS:
            last = now
            log.info("%s", line(done, now - start))

    yield advance
