"""Standard output and standard error that never raise: results are in files before they are printed."""

from __future__ import annotations

import errno
import io
import logging
import os
import select
import sys
from typing import Any, TextIO

from prefens.core.errors import printable


class PrintableFormatter(logging.Formatter):
    """Lines of a log, which may name what a stranger wrote, without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return printable(super().format(record))


class _Lossy(io.FileIO):
    """An open file descriptor that drops what can't be written to it.

    Attributes
    ----------
    error : int
        Why something was dropped last, as an errno; 0 where nothing was.
    """

    error = 0

    def write(self, data: Any) -> int:
        """Write all bytes, waiting where the file takes none for now, or drop them; return how many there were."""
        rest = memoryview(data).cast("B")
        total = len(rest)
        try:
            while rest:
                count = super().write(rest)
                if count is None:
                    select.select([], [self], [])
                else:
                    rest = rest[count:]
        except OSError as error:
            first, self.error = not self.error, error.errno or errno.EIO
            if first and self.error != errno.EPIPE and self.fileno() == 1:
                print(f"standard output: {error.strerror}: printed lines are lost, files are not", file=sys.stderr)
        return total


def guard_output() -> None:
    """Let printing never fail in this process: not in a closed pipe, on a full disk, or for want of an encoding.

    What can't be written is dropped, a character that the encoding lacks is escaped, and the exit status stays that
    of the work. Streams that are not the interpreter's own stay as they are.
    """
    sys.stdout = _guarded(sys.stdout, sys.__stdout__)
    sys.stderr = _guarded(sys.stderr, sys.__stderr__)


def reader_has_left() -> bool:
    """Return whether standard output is a pipe that nobody reads any more, as far as the last flush could tell."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return isinstance(raw, _Lossy) and raw.error == errno.EPIPE


def _guarded(stream: TextIO, original: TextIO | None) -> TextIO:
    if stream is None:  # its file descriptor was closed before the start
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
    if stream is not original or not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    raw = _Lossy(stream.fileno(), "w", closefd=False)
    if stream is sys.__stderr__:  # no buffer, whose lock refuses what a signal handler prints in the middle of a line
        return io.TextIOWrapper(raw, stream.encoding, "backslashreplace", write_through=True)
    by_line = stream.line_buffering or stream.write_through
    return io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, "backslashreplace", line_buffering=by_line)
