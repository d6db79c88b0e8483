"""Which format a file is in: told by the names of its columns, or by data.format."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from prefens.core.errors import ConfigError, DataError
from prefens.core.types import Outcome
from prefens.data.loaded import LABEL, TEXT, LoadedPairs
from prefens.data.raw.source import listed
from prefens.data.raw.table import RawTable
from prefens.data.readers import chosen, conflicts, graded, one_hot, winner
from prefens.data.readers.json_cells import LIST

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Format:
    """A format of preference data.

    Attributes
    ----------
    words : str
        What it is, in words.
    columns : callable
        From the names of a file's columns, and whether labels are needed, to the columns that are read; none where the
        file is in another format.
    read : callable
        From the raw table, whether labels are read, and whether malformed rows are refused, to the pairs.
    """

    words: str
    columns: Callable[[Sequence[str], bool], list[str]]
    read: Callable[[RawTable, bool, bool], LoadedPairs]


FORMATS = {  # the first that fits is taken
    module.__name__.rpartition(".")[2]: Format(module.WORDS, module.columns, module.read)
    for module in (one_hot, conflicts, winner, graded, chosen)
}


@dataclass(frozen=True)
class Choice:
    """How the columns of files are chosen.

    Attributes
    ----------
    labelled : bool
        Whether labels are read.
    name : str or None
        The format, one of `FORMATS`; None for the one that the columns fit.
    renamed : mapping of str to str
        From the names of columns that formats have to those of the file.
    source_column : str or None
        The file's name of the column that names each row's source; None for none.

    Raises
    ------
    ConfigError
        Where there is no such format.
    """

    labelled: bool = True
    name: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    source_column: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None and self.name not in FORMATS:
            raise ConfigError(f"data.format={self.name}", f"{', '.join(FORMATS)}, or null", "correct data.format")

    def __call__(self, header: Sequence[str]) -> list[str]:
        """Return the file's names of the columns that are read."""
        shown = self._shown(header)
        name = self.find(shown)
        if name is None:
            return [column for column in header if column in ("id", *TEXT, *LABEL)]  # they find the delimiter of a CSV
        names = [self.renamed.get(column, column) for column in FORMATS[name].columns(shown, self.labelled)]
        return names if self.source_column is None else [*names, self.source_column]

    def find(self, header: Sequence[str]) -> str | None:
        """Return the name of the format that columns fit, or None."""
        names = FORMATS if self.name is None else (self.name,)
        return next((name for name in names if FORMATS[name].columns(header, self.labelled)), None)

    def read(self, table: RawTable, strict: bool) -> LoadedPairs:
        """Return the pairs of a table whose columns were chosen by this; one line of the log says its format.

        Raises
        ------
        DataError
            Where it is in no known format, lacks a column that is to be renamed, or has no rows; where it does not
            name the source of each row; for malformed rows where `strict`; and where no row can be read.
        """
        self._check_renamed(table)
        if self.source_column is not None and self.find(self._shown(table.header)) is not None:
            table.sources = self._read_sources(table, self.source_column)
        table.header = tuple(self._shown(table.header))
        ours = {theirs: name for name, theirs in self.renamed.items()}
        table.columns = {ours.get(name, name): pieces for name, pieces in table.columns.items()}
        name = self.find(table.header)
        if name is None:
            raise self._unknown(table)
        if table.rows == 0:
            raise DataError(f"{table.name}: no rows", "at least one row", "check that the file is the right one")
        columns, words = ", ".join(table.columns), FORMATS[name].words
        if name == "one_hot" and self.name is None and not self.labelled and _are_plain(table):
            name, words = "winner", "plain texts: no response is a JSON list"
        log.info("%s: format %s (%s), by its columns %s", table.name, name, words, columns)
        loaded = FORMATS[name].read(table, self.labelled, strict)
        loaded.format = name
        loaded.may_tie = name == "graded" or LABEL[Outcome.TIE] in table.header
        return loaded

    def _shown(self, header: Sequence[str]) -> list[str]:
        """Return names of columns as formats have them; a column whose name another one takes has none."""
        ours = {theirs: name for name, theirs in self.renamed.items()}
        return [ours.get(name, "" if name in self.renamed else name) for name in header]

    def _check_renamed(self, table: RawTable) -> None:
        missing = [theirs for theirs in self.renamed.values() if theirs not in table.header]
        if missing:
            raise DataError(
                f"{table.name}: no column {', '.join(missing)} (columns: {listed(table.header) or 'none'})",
                f"the columns that data.columns={dict(self.renamed)} names",
                "correct data.columns={name: column of the file}",
            )

    def _read_sources(self, table: RawTable, column: str) -> list[str]:
        """Return the source of each row, and drop its column unless the format reads it too."""
        if column not in table.columns:
            came = f"{table.name}: no column {column} (columns: {listed(table.header) or 'none'})"
            raise DataError(came, "the column that folds.source_column names", "correct folds.source_column")
        cells = [cell for piece in table.columns[column] for cell in piece.to_pylist()]
        names = ["" if cell is None or cell != cell else str(cell).strip() for cell in cells]
        without = [row for row, source in enumerate(names) if not source and row not in table.broken]
        if without:
            places = ", ".join(table.place(row) for row in without[:3])
            came = f"{table.name}: {column} is empty in {len(without)} of {len(names)} rows ({places})"
            raise DataError(came, "the source of each row", "fill it, or leave these rows out")
        if column not in replace(self, source_column=None)(table.header):
            del table.columns[column]
        return names

    def _unknown(self, table: RawTable) -> DataError:
        required = ("id", *TEXT, *LABEL) if self.labelled else ("id", *TEXT)
        missing = ", ".join(name for name in required if name not in table.header)
        lacks = f"no column {missing}" if self.name in (None, "one_hot") else f"not of the format {self.name}"
        return DataError(
            f"{table.name}: {lacks} (columns: {listed(table.header) or 'none'})",
            f"columns {', '.join(required)}, or those of another format: "
            + "; ".join(f"{name}: {each.words}" for name, each in FORMATS.items() if name != "one_hot"),
            "rename or add the columns, or name them: 'data.columns={prompt: question, ...}'",
        )


def _are_plain(table: RawTable) -> bool:
    """Whether the responses of test rows are texts, and none begins as a JSON list: the competition's always do."""
    pieces = [piece for name in TEXT[1:] for piece in table.columns[name]]
    if not all(pa.types.is_string(piece.type) or pa.types.is_large_string(piece.type) for piece in pieces):
        return False
    lists = [pc.match_substring_regex(piece, f"^{LIST.pattern}").drop_null() for piece in pieces]
    return any(map(len, lists)) and not any(pc.any(each).as_py() for each in lists)
