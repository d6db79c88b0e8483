"""Raw columns of a file, as its readers leave them and as pairs, labels and probabilities are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prefens.core.errors import DataError
from prefens.core.types import Ints
from prefens.data.raw.source import Source

Choose = Callable[[Sequence[str]], Sequence[str]]  # from the names of all columns to those that are wanted


@dataclass(eq=False)
class RawTable:
    """Some columns of a file.

    Attributes
    ----------
    name : str
        The file or folder, for errors.
    columns : dict of str to list of pyarrow.Array
        The columns by name, in pieces, which may be of different types; cells are as stored, those of CSV are text.
    rows : int
        The number of cells of each column.
    header : tuple of str
        The names of all columns of the file.
    broken : dict of int to str
        By row (0-based), why it could not be read.
    repaired : dict of str to int
        By kind of repair, the number of texts.
    parts : tuple of (str, int)
        Of a folder: the name and the number of rows of each file.
    sources : list of str
        The source that a column names of each row; empty where no column was asked for.
    """

    name: str
    columns: dict[str, list[pa.Array]]
    rows: int
    header: tuple[str, ...]
    broken: dict[int, str] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)
    parts: tuple[tuple[str, int], ...] = ()
    sources: list[str] = field(default_factory=list)

    def pop(self, column: str) -> Iterator[Any]:
        """Yield the cells of a column as Python values, and drop the column piece by piece, to save memory."""
        for piece in self.pop_pieces(column):
            yield from piece.to_pylist()

    def pop_pieces(self, column: str) -> Iterator[pa.Array]:
        """Yield the pieces of a column, and drop each when the next is asked for."""
        pieces = self.columns.pop(column)
        while pieces:
            yield pieces.pop(0)

    def pop_encoded(self, column: str) -> tuple[list[Any], Ints]:
        """Drop a column; return its different values, and the index of each cell among them, (n,)."""
        values: list[Any] = []
        indices: list[Ints] = [np.zeros(0, dtype=np.int64)]
        for piece in self.pop_pieces(column):
            try:
                encoded = pc.dictionary_encode(piece, null_encoding="encode")
            except pa.ArrowNotImplementedError:
                own, index = piece.to_pylist(), np.arange(len(piece))
            else:
                own, index = encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)
            indices.append(len(values) + index.astype(np.int64))
            values += own
        return values, np.concatenate(indices)

    def place(self, row: int) -> str:
        """Return where a row (0-based) is, in words: its number from 1, in its file where there are several."""
        for name, rows in self.parts:
            if row < rows:
                return f"{name} row {row + 1}"
            row -= rows
        return f"row {row + 1}"


def from_arrow(name: str, table: pa.Table, names: Sequence[str], header: Sequence[str]) -> RawTable:
    """Return columns of an Arrow table; those that it lacks are left out. Bytes that are UTF-8 become text."""
    columns = {
        column: [_as_text(piece) for piece in table.column(column).chunks]
        for column in names
        if column in table.column_names
    }
    return RawTable(name, columns, table.num_rows, tuple(header))


def pick(source: Source, choose: Choose, header: Sequence[str]) -> list[str]:
    """Return the names that `choose` wants; DataError where the file has several columns of such a name."""
    names = [name for name in dict.fromkeys(choose(header)) if name in header]
    doubled = [name for name in names if header.count(name) > 1]
    if doubled:
        raise source.refusal(f"several columns {', '.join(doubled)}", "each column once", "remove or rename them")
    return names


def concatenate(name: str, tables: Sequence[RawTable]) -> RawTable:
    """Return the rows of all tables, which have the same columns.

    Raises
    ------
    DataError
        Where a table has other columns than the first.
    """
    first = tables[0]
    for table in tables:
        if other := set(first.columns) ^ set(table.columns):
            raise DataError(
                f"{name}: {', '.join(sorted(other))} is a column of {first.name} or {table.name}, not of both",
                "the same columns in all files of the folder",
                "correct or remove a file",
            )
    columns = {column: list(chain.from_iterable(table.columns[column] for table in tables)) for column in first.columns}
    parts = tuple((table.name.rpartition("/")[2], table.rows) for table in tables)
    return RawTable(name, columns, sum(table.rows for table in tables), first.header, parts=parts)


def _as_text(piece: pa.Array) -> pa.Array:
    """Return bytes as text where all are UTF-8, and text as bytes where some is not, so that rows can be named.

    ArrowInvalid where the piece is damaged, so that its cells can't be read safely.
    """
    if pa.types.is_fixed_size_binary(piece.type):
        piece = piece.cast(pa.binary())
    text = {pa.binary(): pa.string(), pa.large_binary(): pa.large_string()}
    as_bytes = {kind: own for own, kind in text.items()}
    piece = piece.view(as_bytes.get(piece.type, piece.type))
    piece.validate(full=True)
    if piece.type not in text:
        return piece
    try:
        readable = piece.view(text[piece.type])
        readable.validate(full=True)
    except pa.ArrowInvalid:
        return piece
    return readable
