"""Parquet files that say what they belong to, with checksums that are looked at when they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prefens.core.errors import StoreError
from prefens.core.files import atomic_write


def write_table(path: Path, table: pa.Table, about: Mapping[str, Any]) -> None:
    """Write a table, atomically, with JSON values in its metadata."""
    named = table.replace_schema_metadata({"prefens": json.dumps(about, sort_keys=True)})
    with atomic_write(path) as tmp:
        pq.write_table(named, tmp, write_page_checksum=True)


def read_table(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Return a table and what its metadata says; StoreError where it is missing or damaged."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(use_threads=False)  # of a few thousand rows: threads would cost more
        return table, json.loads(table.schema.metadata[b"prefens"])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: {(str(error) or type(error).__name__).splitlines()[0]}",
            "a whole parquet file of ours",
            "run the same train command again: it trains what is damaged",
        ) from error
