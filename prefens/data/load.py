"""Pairs from a file of any type and format: every cell is checked, and every row that can't be read is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prefens.data.loaded import LoadedPairs
from prefens.data.raw.read import read_raw
from prefens.data.readers.formats import Choice


def load_pairs(
    path: Path,
    labelled: bool = True,
    strict: bool = True,
    name: str | None = None,
    renamed: Mapping[str, str] | None = None,
    source_column: str | None = None,
) -> LoadedPairs:
    """Read pairs from a file of any type that `read_raw` reads, in any of `FORMATS`.

    Parameters
    ----------
    path : Path
        The file.
    labelled : bool
        False ignores label and model columns: the rows are test rows.
    strict : bool
        False leaves malformed rows out of `pairs` and lists them in `problems`; True refuses them.
    name : str or None
        The format; None for the one that the columns fit.
    renamed : mapping of str to str
        From the names of columns that the format has to those of the file.
    source_column : str or None
        The file's name of the column that becomes the metadata "source"; None for none.

    Raises
    ------
    ConfigError
        Where there is no such format.
    DataError
        Where columns are missing, or the source of a row; where rows are malformed and `strict` (up to 10 are named by
        row, 1-based, the header not counted, and id), or where no row can be read.
    """
    choice = Choice(labelled, name, renamed or {}, source_column)
    return choice.read(read_raw(Path(path), choice), strict)
