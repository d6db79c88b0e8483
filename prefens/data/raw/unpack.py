"""Files inside gzip, xz, bzip2, zstandard and zip, unpacked in memory up to a bound."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from typing import IO, Any

import pyarrow as pa

from prefens.data.raw.kinds import packed_kind
from prefens.data.raw.source import Source

FREE_BYTES = 256 << 20  # that any file may unpack to
RATIO = 50  # a larger one may unpack to so many times its size; texts reach 10
MAX_BYTES = 4 << 30  # what none may unpack to
MAX_LAYERS = 3  # a zip of a gzip, say
CHUNK = 1 << 20
DAMAGES = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
LIMITS = (NotImplementedError, MemoryError)  # a rare method; a dictionary that is larger than the memory

OPENERS: dict[str, Callable[[Any], Any]] = {
    "gzip": partial(gzip.GzipFile, None, "rb", 9),
    "xz": lzma.LZMAFile,
    "bzip2": bz2.BZ2File,
    "zstandard": lambda stream: pa.CompressedInputStream(stream, "zstd"),
}


def unpack(source: Source) -> Source:
    """Return the file inside a compressed one, and what is not compressed as it is.

    Raises
    ------
    DataError
        Where the file is damaged, holds several files, or unpacks to more than a bound: 256 MiB, or 50 times its size
        where that is more, and never more than 4 GiB.
    """
    for _ in range(MAX_LAYERS):
        kind = packed_kind(source.head())
        if kind is None:
            return source
        try:
            with source.open() as stream, _opened(source, kind, stream) as inner:
                content = _read(source, kind, inner, stream.size())
        except (*DAMAGES, *LIMITS) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise source.refusal(f"damaged {kind}: {reason}") from error
        source = Source(source.name, pa.py_buffer(content))
    raise source.refusal(f"compressed more than {MAX_LAYERS} times", do="unpack it first")


def _read(source: Source, kind: str, stream: IO[bytes], size: int) -> bytearray:
    bound = min(MAX_BYTES, max(FREE_BYTES, RATIO * size))
    content = bytearray()
    while chunk := stream.read(CHUNK):
        content += chunk
        if len(content) > bound:
            raise source.refusal(
                f"{kind} of {size / 2**20:.1f} MiB that unpacks to more than {bound / 2**20:,.0f} MiB",
                f"at most {FREE_BYTES >> 20} MiB, or {RATIO} times its size and {MAX_BYTES >> 30} GiB",
                "unpack it yourself, if it is what you expect: files that are not compressed have no bound",
            )
    return content


def _opened(source: Source, kind: str, stream: Any) -> IO[bytes]:
    opened: IO[bytes] = _open_zip(source, stream) if kind == "zip" else OPENERS[kind](stream)
    return opened


def _open_zip(source: Source, stream: Any) -> IO[bytes]:
    """Open the only file of a zip; what macOS adds, folders and hidden files don't count."""
    archive = zipfile.ZipFile(stream)
    names = [name for name in archive.namelist() if not name.endswith("/")]
    if "[Content_Types].xml" in names:
        raise source.refusal("an Excel or Word file", do="save the sheet as CSV")
    files = [name for name in names if not name.startswith("__MACOSX/") and not name.split("/")[-1].startswith(".")]
    if len(files) != 1:
        listed = ", ".join(files[:5]) + (", ..." if len(files) > 5 else "")
        raise source.refusal(f"a zip with {len(files)} files ({listed})", "a zip with one file", "unpack it first")
    if archive.getinfo(files[0]).flag_bits & 1:
        raise source.refusal("a zip with a password", do="unpack it first")
    return archive.open(files[0])
