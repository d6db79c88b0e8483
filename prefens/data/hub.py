"""Pairs from the Hugging Face hub, through the optional package `datasets`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from prefens.core.errors import DataError, not_installed
from prefens.data.loaded import LoadedPairs
from prefens.data.raw.table import from_arrow
from prefens.data.readers.formats import Choice

SAVED = ("dataset_dict.json", "state.json")  # in a folder that `datasets` saved: of several splits, of one


def load_hub(
    name: str,
    split: str,
    revision: str | None,
    labelled: bool,
    strict: bool,
    format_name: str | None = None,
    renamed: Mapping[str, str] = MappingProxyType({}),
    source_column: str | None = None,
) -> LoadedPairs:
    """Load one split of a data set of the hub.

    Parameters
    ----------
    name : str
        The name of the data set, or a local folder: of files, or one that `datasets` saved.
    split : str
        The name of the split.
    revision : str or None
        The commit or branch of the data set; None for the latest.
    labelled, strict, format_name, renamed, source_column : bool, bool, str or None, mapping, and str or None
        As in `load_pairs`.

    Raises
    ------
    ConfigError
        Where `datasets` is not installed.
    DataError
        Where the data set can't be loaded or lacks columns, or as in `load_pairs`.
    """
    try:
        import datasets
    except ImportError as error:
        raise not_installed("datasets", "data=hub", "hub") from error
    try:
        if any((Path(name) / saved).is_file() for saved in SAVED):
            data = datasets.load_from_disk(name)
            data = data[split] if isinstance(data, datasets.DatasetDict) else data
        else:
            data = datasets.load_dataset(name, split=split, revision=revision)
        table = data.data.table
    except Exception as error:  # datasets raises a dozen classes where a hub, a name or a split is missing
        raise DataError(
            f"data set {name!r}, split {split!r}: {type(error).__name__}: {str(error)[:300]}",
            "a split of a data set of the Hugging Face hub, or of a local folder",
            "check the name and the connection, or download the file and use data=csv data.path=FILE",
        ) from error
    choice = Choice(labelled, format_name, renamed, source_column)
    return choice.read(from_arrow(name, table, choice(table.column_names), table.column_names), strict)
