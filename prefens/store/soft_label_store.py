"""A teacher's probabilities by fold, kept in the store: a student has the same name on every machine.

A rule that is fitted again on another processor differs in its last bits, and the digest of the probabilities is part
of a student's recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from prefens.core.errors import StoreError
from prefens.core.hashing import short
from prefens.core.types import Floats, outcome_names
from prefens.store.parquet import float_columns, read_table, write_table
from prefens.store.split_store import SplitStore

DO = "nothing: it is computed again"
ROW_SUM = 1e-6  # how far the sum of a row's probabilities may be from 1


@dataclass(frozen=True)
class SoftLabelStore:
    """The probabilities that one teacher gives to some pairs.

    Attributes
    ----------
    split : SplitStore
        The part of the store that has the teacher.
    inputs : str
        The digest of all that the probabilities are computed from, 64 hex digits.
    n_pairs : int
        The number of pairs m.
    """

    split: SplitStore
    inputs: str
    n_pairs: int

    @property
    def path(self) -> Path:
        """The file."""
        return self.split.path / "soft_labels" / f"{short(self.inputs)}.parquet"

    @property
    def lease(self) -> Path:
        """The lease that a process holds while it computes them."""
        return self.split.root / "locks" / f"soft-labels-{self.split.path.name}-{self.path.stem}.json"

    def get(self) -> Floats | None:
        """Return the probabilities, (k + 1, m, K); None where they were not computed.

        The last ones are for a training that leaves no fold out. NaN stands where the teacher may not label the pair.

        Raises
        ------
        StoreError
            Where the file is damaged.
        """
        if not self.path.exists():
            return None
        table, metadata = read_table(self.path, DO)
        names, n_folds = outcome_names(self.split.folds.n_outcomes), self.split.k + 1
        if table.column_names != [*names] or len(table) != n_folds * self.n_pairs:
            came = f"{self.path}: {len(table)} rows of {', '.join(table.column_names)}"
            raise StoreError(came, f"{n_folds} times {self.n_pairs} rows of {', '.join(names)}", DO)
        values = float_columns(self.path, table, names, DO)
        if metadata != self._metadata(values):
            raise StoreError(f"{self.path}: its content is not what was written", "the file as it was written", DO)
        rows = values[~np.isnan(values).all(axis=1)]
        if not ((rows >= 0).all() and (np.abs(rows.sum(axis=1) - 1) < ROW_SUM).all()):
            raise StoreError(f"{self.path}: rows that are no probabilities", "rows of 0 or more that sum to 1", DO)
        return values.reshape(n_folds, self.n_pairs, len(names))

    def put(self, values: Floats) -> None:
        """Keep the (k + 1, m, K) probabilities; OSError where the file can't be written."""
        rows = values.reshape(-1, values.shape[2])
        columns = dict(zip(outcome_names(rows.shape[1]), rows.T, strict=True))
        write_table(self.path, pa.table(columns), self._metadata(rows))

    def _metadata(self, values: Floats) -> dict[str, Any]:
        content = np.where(np.isnan(values), -1.0, values).astype("<f8")  # NaN has many bit patterns
        return {"inputs": self.inputs, "sha256": sha256(content.tobytes()).hexdigest()}
