"""Folds as columns of a parquet file: those of the store, and those of a blend's predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from prefens.core.errors import StoreError
from prefens.core.fold_run import FORMAT_VERSION
from prefens.core.hashing import short
from prefens.core.types import HOLDOUT, Folds

MOST_FOLDS = 127  # their numbers are int8
COLUMNS = ("id", "label", "group", "fold")
FOLDS_AGAIN = "run a train command of these data and folds again (python -m prefens.train ...): it writes the file anew"


def folds_columns(folds: Folds) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns that hold the rows of folds, and the metadata that hold the rest and the format version."""
    columns: dict[str, Any] = {"id": folds.ids, "label": folds.label, "group": folds.group, "fold": folds.fold}
    if folds.truth is not None:
        columns["truth"] = list(folds.truth.reshape(len(folds.truth), -1))
    metadata = {
        "format_version": FORMAT_VERSION,
        "settings": dict(folds.settings),
        "data_digest": folds.data_digest,
        "fold_digest": folds.digest,
    }
    metadata |= {"format": folds.format} if folds.format else {}
    metadata |= {"outcomes": folds.n_outcomes} if folds.n_outcomes != 3 else {}
    return columns, metadata


def check_format(metadata: Mapping[str, Any], path: Path) -> None:
    """Refuse a file of another format version; one that notes no version has version 1.

    Parameters
    ----------
    metadata : mapping
        The metadata of the file, as `folds_columns` returns them.
    path : Path
        The file, for the error.

    Raises
    ------
    StoreError
        Where the version is not `FORMAT_VERSION`.
    """
    version = metadata.get("format_version", 1)
    if version != FORMAT_VERSION:
        raise StoreError(
            f"{path}: format version {version}",
            f"format version {FORMAT_VERSION}, which this prefens reads and writes",
            "train again under another tracking.root=DIR, or install the version of prefens that wrote the store",
        )


def check_k(metadata: Mapping[str, Any], path: Path, do: str) -> int:
    """Return the number of folds; StoreError where it is none that folds can have."""
    settings = metadata.get("settings")
    k = settings.get("k") if isinstance(settings, Mapping) else None
    if not isinstance(k, int) or not 1 <= k <= MOST_FOLDS:
        raise StoreError(f"{path}: k is {k!r:.60}", f"a number of folds, at most {MOST_FOLDS}", do)
    return k


def folds_of(table: pa.Table, metadata: Mapping[str, Any], path: Path, do: str) -> Folds:
    """Return the folds that `folds_columns` described.

    Parameters
    ----------
    table, metadata : pyarrow.Table and mapping
        What `read_table` returns.
    path : Path
        The file that they come from, for errors.
    do : str
        The command that makes the file again, for errors.

    Raises
    ------
    StoreError
        Where the format version is another one, where columns or metadata are missing, or where the rows do not have
        the noted fold digest.
    """
    check_format(metadata, path)
    k = check_k(metadata, path, do)
    lacking = [name for name in COLUMNS if name not in table.column_names]
    lacking += [name for name in ("settings", "data_digest", "fold_digest") if name not in metadata]
    if lacking:
        raise StoreError(
            f"{path}: no {', '.join(lacking)}",
            f"columns {', '.join(COLUMNS)}, with settings and digests in the metadata",
            do,
        )
    ids, group = (table.column(name).to_numpy(zero_copy_only=False).astype(object) for name in ("id", "group"))
    label, fold = (table.column(name).to_numpy() for name in ("label", "fold"))
    n_outcomes = metadata.get("outcomes", 3)
    if n_outcomes not in (2, 3):
        raise StoreError(f"{path}: outcomes is {n_outcomes!r:.60}", "2 or 3", do)
    for name, values, low, high in (("label", label, 0, n_outcomes), ("fold", fold, HOLDOUT, k)):
        if values.dtype != np.int8 or ((values < low) | (values >= high)).any():
            raise StoreError(f"{path}: {name} is no column of numbers from {low} to {high - 1}", "int8 numbers", do)
    truth = None
    if "truth" in table.column_names:
        truth = np.stack(table.column("truth").to_numpy()).reshape(table.num_rows, 2, -1)
    settings, data_digest, data_format = metadata["settings"], metadata["data_digest"], str(metadata.get("format", ""))
    folds = Folds(ids, label, group, fold, settings, data_digest, truth, n_outcomes, data_format)
    if folds.digest != metadata["fold_digest"]:
        raise StoreError(f"{path}: folds with digest {short(folds.digest)}", short(metadata["fold_digest"]), do)
    return folds
