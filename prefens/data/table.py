"""Raw columns of a CSV or parquet file."""

from __future__ import annotations

import csv
import io
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from prefens.core.errors import DataError

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 24  # of CSV per chunk; a file with a longer row is read row by row


@dataclass(eq=False)
class FileTable:
    """Some columns of a file.

    Attributes
    ----------
    name : str
        The file, for errors.
    columns : dict of str to pyarrow.ChunkedArray
        The columns by name.
    rows : int
        The number of cells of each column.
    header : tuple of str
        The names of all columns of the file.
    broken : dict of int to str
        By row (0-based), why it could not be read.
    """

    name: str
    columns: dict[str, pa.ChunkedArray]
    rows: int
    header: tuple[str, ...]
    broken: dict[int, str] = field(default_factory=dict)

    def pop(self, column: str) -> Iterator[Any]:
        """Yield the cells of a column as Python values, and drop the column chunk by chunk, to save memory."""
        chunks = self.columns.pop(column).chunks
        while chunks:
            yield from chunks.pop(0).to_pylist()


def read_table(path: Path, required: Sequence[str], optional: Sequence[str]) -> FileTable:
    """Read columns of a CSV file (all cells are text) or of a parquet file (cells as stored).

    Rows that can't be read are listed in `broken`, for the caller to refuse or to leave out.

    Parameters
    ----------
    path : Path
        The file; a parquet file ends in .parquet or .pq.
    required, optional : sequence of str
        The names of the columns.

    Raises
    ------
    DataError
        Where the file is missing, empty or damaged, or lacks a required column.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file", "a CSV or parquet file", "check the path")
    try:
        columns = [*required, *optional]
        read = _read_parquet if path.suffix.lower() in (".parquet", ".pq") else _read_csv
        table = read(path, columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"{path}: {str(error).splitlines()[0]}", "a whole parquet file", "write or download the file again"
        ) from error
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(missing)} (columns: {', '.join(table.header)[:500] or 'none'})",
            f"columns {', '.join(required)}",
            "rename or add the columns",
        )
    if table.rows == 0:
        raise DataError(f"{path}: no rows", "at least one row", "check that the file is the right one")
    return table


def from_arrow(name: str, table: pa.Table, names: Sequence[str], header: Sequence[str]) -> FileTable:
    """Return columns of an Arrow table; those that it lacks are left out."""
    columns = {column: table.column(column) for column in names if column in table.column_names}
    return FileTable(name, columns, table.num_rows, tuple(header))


def _read_parquet(path: Path, names: Sequence[str]) -> FileTable:
    import pyarrow.parquet as pq

    header = pq.read_schema(path).names
    table = pq.read_table(path, columns=[name for name in names if name in header])
    table.validate(full=True)  # texts that are not UTF-8, say
    return from_arrow(str(path), table, names, header)


def _read_csv(path: Path, names: Sequence[str]) -> FileTable:
    """Read with Arrow's parallel parser; a file that it refuses is read again row by row, to find the broken rows."""
    from pyarrow import csv as arrow_csv

    if path.stat().st_size == 0:
        raise DataError(f"{path}: an empty file (0 bytes)", "a header and rows", "check that the file is the right one")
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        header = next(csv.reader(stream), [])
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(block_size=BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[name for name in names if name in header],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid as error:
        log.debug("%s: %s; reading it row by row", path, error)
        return _read_csv_by_row(path, names)
    return from_arrow(str(path), table, names, header)


def _read_csv_by_row(path: Path, names: Sequence[str]) -> FileTable:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    text = io.StringIO(path.read_bytes().decode("utf-8-sig", errors="surrogateescape"), newline="")
    reader = csv.reader(text)
    header = [name.encode("utf-8", "replace").decode() for name in next(reader, [])]
    rows: list[list[str | None]] = []
    broken: dict[int, str] = {}
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            broken[len(rows)] = f"{len(cells)} columns, expected {len(header)}"
        elif any("\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell):
            broken[len(rows)] = "bytes that are not UTF-8"
        padded = [*cells, *[""] * len(header)][: len(header)]
        rows.append([cell.encode("utf-8", "replace").decode() or None for cell in padded])
    last = len(rows) - 1
    if last in broken and len(rows[last]) and "columns" in broken[last]:
        broken[last] += " (the last row: is the file cut off?)"
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    arrays = {name: pa.array(cells, pa.string()) for name, cells in zip(header, columns, strict=True) if name in names}
    chunked = {name: pa.chunked_array([array]) for name, array in arrays.items()}
    return FileTable(str(path), chunked, len(rows), tuple(header), broken)
