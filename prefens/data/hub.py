"""Pairs from the Hugging Face hub, through the optional package `datasets`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from prefens.core.errors import DataError
from prefens.data.loaded import LoadedPairs
from prefens.data.raw.table import from_arrow
from prefens.data.readers.formats import Choice


def load_hub(
    name: str,
    split: str,
    revision: str | None,
    labelled: bool,
    strict: bool,
    format_name: str | None = None,
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> LoadedPairs:
    """Load one split of a data set of the hub.

    Parameters
    ----------
    name : str
        The name of the data set, or a local folder of CSV or parquet files.
    split : str
        The name of the split.
    revision : str or None
        The commit or branch of the data set; None for the latest.
    labelled, strict, format_name, renamed : bool, bool, str or None, and mapping of str to str
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
    choice = Choice(labelled, format_name, renamed)
    return choice.read(from_arrow(name, table, choice(table.column_names), table.column_names), strict)
