"""The probabilities of a fold run as a parquet file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from prefens.core.errors import StoreError
from prefens.core.fold_run import FoldPredictions, RunKey
from prefens.core.types import Floats, Strings, outcome_names
from prefens.store.parquet import float_columns, read_table, write_table
from prefens.store.run_record import check_key


def write_predictions(path: Path, predictions: FoldPredictions) -> None:
    """Write the probabilities of a fold and of the hold-out rows, with the key of the fold run, atomically."""
    values: Floats = np.concatenate([predictions.probabilities, predictions.holdout_probabilities])
    held_out = np.repeat([False, True], [len(predictions.ids), len(predictions.holdout_ids)])
    columns = {"id": np.concatenate([predictions.ids, predictions.holdout_ids]), "holdout": held_out}
    columns |= dict(zip(outcome_names(values.shape[1]), values.T, strict=True))
    write_table(path, pa.table(columns), predictions.key.as_dict())


def read_predictions(path: Path, key: RunKey, as_objects: Callable[[pa.Array], Strings], do: str) -> FoldPredictions:
    """Read the probabilities of a fold run.

    Parameters
    ----------
    path : Path
        What `write_predictions` wrote.
    key : RunKey
        The key that the file must have.
    as_objects : callable
        Turns the ids, an Arrow array, into an object array.
    do : str
        The command that makes the file again, for errors.

    Raises
    ------
    StoreError
        Where the file is missing or damaged, has another key, or holds no probabilities.
    """
    table, metadata = read_table(path, do)
    check_key(path, metadata, key, do)
    names = outcome_names(3 if outcome_names()[-1] in table.column_names else 2)
    missing = {"id", "holdout", *names} - {*table.column_names}
    if missing:
        raise StoreError(f"{path}: no column {', '.join(sorted(missing))}", "id, holdout and the outcomes", do)
    held_out = table.column("holdout").to_numpy().astype(bool)
    values = float_columns(path, table, names, do)
    ids = as_objects(table.column("id").combine_chunks())
    return FoldPredictions(key, ids[~held_out], values[~held_out], ids[held_out], values[held_out])
