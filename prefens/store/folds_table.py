"""Folds as columns of a parquet file: those of the store, and those that a blend's predictions are on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from prefens.core.errors import StoreError
from prefens.core.hashing import short
from prefens.core.types import Folds


def folds_columns(folds: Folds) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns that hold the rows of `folds`, and the metadata that holds the rest."""
    columns: dict[str, Any] = {"id": folds.ids, "label": folds.label, "group": folds.group, "fold": folds.fold}
    if folds.truth is not None:
        columns["truth"] = list(folds.truth.reshape(len(folds.truth), -1))
    settings = {"settings": dict(folds.settings), "data_digest": folds.data_digest, "fold_digest": folds.digest}
    return columns, settings


def folds_of(table: pa.Table, metadata: Mapping[str, Any], path: Path) -> Folds:
    """Return the folds that `folds_columns` described.

    Raises
    ------
    StoreError where a column is missing, or where the rows are not those of the noted fold digest; `path` is for it.
    """
    missing = sorted({"id", "label", "group", "fold"} - {*table.column_names})
    if missing:
        raise StoreError(f"{path}: no column {', '.join(missing)}", "id, label, group and fold", "restore the file")
    ids, group = (table.column(name).to_numpy(zero_copy_only=False).astype(object) for name in ("id", "group"))
    label, fold = (table.column(name).to_numpy() for name in ("label", "fold"))
    truth = None
    if "truth" in table.column_names:
        truth = np.stack(table.column("truth").to_numpy()).reshape(table.num_rows, 2, -1)
    folds = Folds(ids, label, group, fold, metadata["settings"], metadata["data_digest"], truth)
    if folds.digest != metadata["fold_digest"]:
        raise StoreError(
            f"{path}: folds with digest {short(folds.digest)}", short(metadata["fold_digest"]), "restore the file"
        )
    return folds
