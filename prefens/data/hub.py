"""Pairs from the Hugging Face hub, through the optional package `datasets`."""

from __future__ import annotations

from prefens.core.errors import DataError
from prefens.data.load import LABEL, MODEL, TEXT, LoadedPairs, check_file
from prefens.data.raw.table import from_arrow


def load_hub(name: str, split: str, revision: str | None, labelled: bool, strict: bool) -> LoadedPairs:
    """Load one split of a data set of the hub.

    Parameters
    ----------
    name : str
        The name of the data set, or a local folder of CSV or parquet files.
    split : str
        The name of the split.
    revision : str or None
        The commit or branch of the data set; None for the latest.
    labelled, strict : bool
        As in `load_pairs`.

    Raises
    ------
    DataError
        Where `datasets` is not installed, where the data set can't be loaded or lacks columns, or as in `load_pairs`.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise DataError(
            "the package `datasets` is not installed", "it, for data=arena", "pip install 'prefens[hub]'"
        ) from error
    try:
        table = load_dataset(name, split=split, revision=revision).data.table
    except Exception as error:  # datasets raises a dozen classes where a hub, a name or a split is missing
        raise DataError(
            f"data set {name!r}, split {split!r}: {type(error).__name__}: {str(error)[:300]}",
            "a data set of the Hugging Face hub, or a local folder of CSV or parquet files",
            "check the name and the connection, or download the file and use data=csv data.path=FILE",
        ) from error
    columns = ("id", *TEXT, *(LABEL + MODEL if labelled else ()))
    missing = [column for column in columns if column not in (*table.column_names, *MODEL)]
    if missing:
        raise DataError(
            f"data set {name!r}: no column {', '.join(missing)} (columns: {', '.join(table.column_names)})",
            f"columns {', '.join(columns)}",
            "choose a data set in the competition's format",
        )
    return check_file(from_arrow(name, table, columns, table.column_names), labelled, strict)
