"""What fold models predict for pairs without votes: kept in the store, so that all students share it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from prefens.core.errors import StoreError, counted
from prefens.core.hashing import short
from prefens.core.types import Floats, outcome_names
from prefens.store.member_spec import MemberSpec
from prefens.store.parquet import float_columns, read_table, write_table
from prefens.store.split_store import SplitStore

DO = "nothing: it is predicted again"


@dataclass(frozen=True)
class UnlabelledStore:
    """The probabilities of some pairs without votes, by fold model.

    Attributes
    ----------
    split : SplitStore
        The part of the store that has the members.
    pairs_digest : str
        The digest of the pairs in their order, 64 hex digits.
    n_pairs : int
        How many they are.
    """

    split: SplitStore
    pairs_digest: str
    n_pairs: int

    @property
    def folder(self) -> Path:
        """The folder of these pairs."""
        return self.split.path / "unlabelled" / short(self.pairs_digest)

    @property
    def lease(self) -> Path:
        """The lease that a process holds while it predicts these pairs."""
        return self.split.root / "locks" / f"unlabelled-{self.split.path.name}-{self.folder.name}.json"

    def path(self, spec: MemberSpec, fold: int) -> Path:
        """Return the file of a fold model."""
        return self.folder / spec.name / f"fold-{fold}.parquet"

    def get(self, spec: MemberSpec, fold: int) -> Floats | None:
        """Return the (u, K) probabilities of a fold model; None where it has not predicted these pairs.

        Raises
        ------
        StoreError
            Where the file is damaged, or where the fold run is missing or damaged as far as its run.json tells.
        """
        path, run = self.path(spec, fold), self.split.record(spec, fold)
        if not path.exists():
            return None
        table, metadata = read_table(path, DO)
        if metadata.get("run") != run.content:  # it was trained again
            return None
        names = outcome_names(self.split.folds.n_outcomes)
        if table.column_names != [*names] or len(table) != self.n_pairs:
            came = f"{path}: {counted(len(table), 'row')} of {', '.join(table.column_names)}"
            raise StoreError(came, f"{counted(self.n_pairs, 'row')} of {', '.join(names)}", DO)
        values = float_columns(path, table, names, DO)
        if metadata != self._metadata(run.content, values):
            raise StoreError(f"{path}: its content is not what was written", "the file as it was written", DO)
        return values

    def put(self, spec: MemberSpec, fold: int, run: str, values: Floats) -> None:
        """Keep the (u, K) probabilities of a fold model; OSError where the file can't be written.

        `run` is the digest of the content of its fold run.
        """
        columns = dict(zip(outcome_names(values.shape[1]), values.T, strict=True))
        write_table(self.path(spec, fold), pa.table(columns), self._metadata(run, values))

    def _metadata(self, run: str, values: Floats) -> dict[str, Any]:
        content = sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()
        return {"run": run, "pairs": self.pairs_digest, "sha256": content}
