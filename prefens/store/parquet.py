"""Parquet files with JSON metadata, whose checksums are verified when they are read."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prefens.core.errors import StoreError
from prefens.core.files import atomic_write
from prefens.core.types import Floats

METADATA_KEY = b"prefens"  # in the metadata of the parquet file


def write_table(path: Path, table: pa.Table, metadata: Mapping[str, Any]) -> None:
    """Write a table, atomically, with JSON values as its metadata and a checksum per page."""
    described = table.replace_schema_metadata({METADATA_KEY: json.dumps(metadata, sort_keys=True)})
    with atomic_write(path) as tmp:
        pq.write_table(described, tmp, write_page_checksum=True)


def read_metadata(path: Path) -> dict[str, Any] | None:
    """Return the metadata that `write_table` wrote, without reading the rows; None where the file is damaged."""
    try:
        return _metadata(pq.read_metadata(path).metadata)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return None


def read_table(path: Path, do: str) -> tuple[pa.Table, dict[str, Any]]:
    """Return a table and its metadata; `do` is the command that makes the file again, for the error.

    Raises
    ------
    StoreError
        Where the file is missing or damaged.
    PermissionError
        Where this user may not read it.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(use_threads=False)  # of a few thousand rows: threads would cost more
        return table, _metadata(table.schema.metadata)
    except PermissionError as error:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from error  # it names none
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: {(str(error) or type(error).__name__).splitlines()[0]}",
            "a whole parquet file that prefens wrote",
            do,
        ) from error


def float_columns(path: Path, table: pa.Table, names: Sequence[str], do: str) -> Floats:
    """Return columns of a table that was read from `path`, (n, len(names)); StoreError where one holds no floats."""
    for name in names:
        if not pa.types.is_floating(table.schema.field(name).type):
            came = f"{path}: column {name} of type {table.schema.field(name).type!s:.40}"
            raise StoreError(came, "probabilities", do)
    return np.column_stack([table.column(name).to_numpy() for name in names])


def _metadata(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    return dict(json.loads(metadata[METADATA_KEY]))
