"""The bytes of one file, on the disk or unpacked, and the error about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from prefens.core.errors import DataError
from prefens.data.raw.kinds import HEAD_BYTES

READABLE = "CSV, TSV, JSON lines, parquet, feather or a folder of parquet files; gzip, xz or zip with one file"


@dataclass(frozen=True, eq=False)
class Source:
    """The bytes of one file.

    Attributes
    ----------
    name : str
        The file, for errors.
    content : Path or pyarrow.Buffer
        Where the bytes are.
    """

    name: str
    content: Path | pa.Buffer

    def open(self) -> pa.NativeFile:
        """Return a stream over the bytes, which can be sought."""
        return pa.OSFile(str(self.content)) if isinstance(self.content, Path) else pa.BufferReader(self.content)

    def head(self, size: int = HEAD_BYTES) -> bytes:
        """Return the first bytes."""
        with self.open() as stream:
            return bytes(stream.read(size))

    def read(self) -> bytes:
        """Return all bytes."""
        with self.open() as stream:
            return bytes(stream.read())

    def refusal(self, reason: str, expected: str = READABLE, do: str = "write or download the file again") -> DataError:
        """Return the error that says why the file can't be read."""
        return DataError(f"{self.name}: {reason}", expected, do)


def listed(names: object) -> str:
    """Return names of columns for a message: on one line, without control characters, at most 500 characters."""
    text = ", ".join(map(str, names)) if isinstance(names, list | tuple) else str(names)
    clean = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return clean if len(clean) <= 500 else f"{clean[:480]} ... ({len(clean)} characters)"
