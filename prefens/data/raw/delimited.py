"""CSV and TSV: Arrow's parallel parser, and a slow one that finds the broken rows of what Arrow refuses."""

from __future__ import annotations

import csv
import io
import logging
import sys
from collections.abc import Sequence

import pyarrow as pa

from prefens.core.errors import counted
from prefens.data.raw.source import Source
from prefens.data.raw.table import Choose, RawTable, pick

log = logging.getLogger(__name__)

BLOCK_BYTES = (1 << 20, 1 << 24)  # of CSV per chunk, tried in turn; a file with a longer row is read row by row
HEADER_BYTES = 1 << 20
DELIMITERS = (",", "\t", ";")


def read_delimited(source: Source, choose: Choose) -> RawTable:
    """Read columns of a text file with a header; all cells are text, empty ones are null.

    The delimiter is the one of comma, tab and semicolon by which the header has most of the wanted columns.

    Raises
    ------
    DataError
        Where the header can't be read or names a wanted column twice.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    header, delimiter = _header(source, choose)
    names = pick(source, choose, header)
    if not names:
        return RawTable(source.name, {}, 0, tuple(header))
    for block_bytes in BLOCK_BYTES:
        try:
            table = _read_blocks(source, names, delimiter, block_bytes)
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            log.debug("%s: %s", source.name, error)
        else:
            columns = {name: table.column(name).chunks for name in names}
            return RawTable(source.name, columns, table.num_rows, tuple(header))
    return _read_by_row(source, names, delimiter)


def _read_blocks(source: Source, names: Sequence[str], delimiter: str, block_bytes: int) -> pa.Table:
    from pyarrow import csv as arrow_csv

    with source.open() as stream:
        return arrow_csv.read_csv(
            stream,
            read_options=arrow_csv.ReadOptions(block_size=block_bytes, use_threads=pa.cpu_count() > 1),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, delimiter=delimiter),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=names,
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[""],
            ),
        )


def _header(source: Source, choose: Choose) -> tuple[list[str], str]:
    """Return the names of the columns, and the delimiter."""
    head = source.head(HEADER_BYTES)
    if len(head) == HEADER_BYTES and not any(end in head for end in (b"\n", b"\r")):
        raise source.refusal(f"no line ends within the first {HEADER_BYTES >> 20} MiB", "a header and rows")
    text = head.decode("utf-8-sig", errors="surrogateescape")
    headers = {mark: next(csv.reader(io.StringIO(text, newline=""), delimiter=mark), []) for mark in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda mark: (len({*choose(headers[mark])} & {*headers[mark]}), len(headers[mark])))
    header = headers[delimiter]
    if any("\udc80" <= character <= "\udcff" for name in header for character in name):
        raise source.refusal(
            "the header is not UTF-8: text of another encoding, or binary data",
            "text in UTF-8, or in UTF-16 with a byte-order mark",
            "save it as UTF-8",
        )
    return header, delimiter


def _read_by_row(source: Source, names: list[str], delimiter: str) -> RawTable:
    text = io.StringIO(source.read().decode("utf-8-sig", errors="surrogateescape"), newline="")
    reader = csv.reader(text, delimiter=delimiter)
    header = next(reader, [])
    rows: list[list[str | None]] = []
    broken: dict[int, str] = {}
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            broken[len(rows)] = f"{counted(len(cells), 'column')}, expected {len(header)}"
        elif any("\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell):
            broken[len(rows)] = "bytes that are not UTF-8"
        padded = [*cells, *[""] * len(header)][: len(header)]
        rows.append([cell.encode("utf-8", "replace").decode() or None for cell in padded])
    last = len(rows) - 1
    if last in broken and len(rows[last]) and "columns" in broken[last]:
        broken[last] += " (the last row: is the file cut off?)"
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    arrays = {
        name: pa.array(cells, pa.large_string()) for name, cells in zip(header, columns, strict=True) if name in names
    }
    return RawTable(source.name, {name: [arrays[name]] for name in names}, len(rows), tuple(header), broken)
