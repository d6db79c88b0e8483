"""The raw table of a file or a folder, whatever its type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from prefens.core.errors import DataError
from prefens.data.raw.binary import read_binary
from prefens.data.raw.delimited import read_delimited
from prefens.data.raw.json_lines import is_json, read_json_lines
from prefens.data.raw.kinds import encoding, other_kind, table_kind
from prefens.data.raw.names import SHARD_SUFFIXES
from prefens.data.raw.source import READABLE, Source, listed
from prefens.data.raw.table import Choose, RawTable, concatenate
from prefens.data.raw.unpack import unpack


def read_raw(path: Path, choose: Choose) -> RawTable:
    """Read columns of a file of any type; what it is is told by its content, never by its name.

    Rows that can't be read are listed in `broken`, for the caller to refuse or to leave out.

    Parameters
    ----------
    path : Path
        CSV or TSV, JSON lines, parquet or feather, each also inside gzip, xz, bzip2, zstandard, or a zip with one file;
        text is UTF-8, or UTF-16 with a byte-order mark; or a folder of parquet files.
    choose : callable
        From the names of all columns to those that are read.

    Raises
    ------
    DataError
        Where the file is missing, empty, damaged or of another kind, which is named, or where a column that is read
        is there twice.
    """
    if path.is_dir():
        return _read_folder(path, choose)
    if not path.exists():
        raise DataError(f"{path}: no such file", f"a file at {path.absolute()}", "check the path")
    if not path.is_file():
        raise DataError(f"{path}: not a regular file", READABLE, "check the path")
    source = Source(str(path), path)
    try:
        return _read_source(unpack(source), choose)
    except OSError as error:
        raise source.refusal(error.strerror or str(error), do="check the file and its permissions") from error


def read_table(path: Path, required: Sequence[str], optional: Sequence[str]) -> RawTable:
    """Read columns that are known by name, as `read_raw` does.

    Parameters
    ----------
    path : Path
        The file or folder.
    required, optional : sequence of str
        The names of the columns.

    Raises
    ------
    DataError
        As `read_raw`, and where the file lacks a required column or has no rows.
    """
    names = [*required, *optional]
    table = read_raw(path, lambda header: [name for name in names if name in header])
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)} (columns: {listed(table.header) or 'none'})",
            f"columns {', '.join(required)}",
            "rename or add the columns",
        )
    if table.columns and table.rows == 0:
        raise DataError(f"{path}: no rows", "at least one row", "check that the file is the right one")
    return table


def _read_source(source: Source, choose: Choose) -> RawTable:
    head = source.head()
    if not head:
        raise source.refusal("an empty file (0 bytes)", "a header and rows", "check that the file is the right one")
    binary = table_kind(head)
    if binary is not None:
        return read_binary(source, binary, choose)
    coding = encoding(head)
    if coding is not None:
        source = _decoded(source, coding)
        head = source.head()
    other = other_kind(head)
    if other is not None:
        raise source.refusal(f"seems to be {other}", do="convert it, or check that the file is the right one")
    return (read_json_lines if is_json(head) else read_delimited)(source, choose)


def _decoded(source: Source, coding: str) -> Source:
    """Return text of another encoding as UTF-8."""
    try:
        return Source(source.name, pa.py_buffer(source.read().decode(coding).encode()))
    except UnicodeDecodeError as error:
        raise source.refusal(f"{coding} text that is damaged at byte {error.start}", "whole text") from error


def _read_folder(path: Path, choose: Choose) -> RawTable:
    names = sorted(item.name for item in path.iterdir() if not item.name.startswith((".", "_")))
    shards = [name for name in names if name.lower().endswith(SHARD_SUFFIXES)]
    if not shards:
        came = f"{path}: a folder without parquet files ({', '.join(names[:5]) or 'empty'})"
        raise DataError(came, "a file, or a folder of parquet files", "name a file in it")
    return concatenate(str(path), [read_raw(path / name, choose) for name in shards])
