"""The OOF store: folds, members and their out-of-fold probabilities as plain files under one root.

Guarantees. A fold run is stored whole or not at all: it is written under a temporary name, synced and renamed. What is
stored is never changed, unless by force. What is damaged, or belongs to another key, is refused by name when it is
read. A store of another format version is refused. The root can be moved, copied and read-only.

    store/<data>-<folds>/folds.parquet                        ids, labels, prompt groups, folds
    store/<data>-<folds>/blend/                               the latest blend: blend.json, predictions.parquet, ...
    store/<data>-<folds>/members/<name>/member.json           recipe, seed, digests
    store/<data>-<folds>/members/<name>/fold-<k>/             predictions.parquet, run.json, model/
    store/<data>-<folds>/members/<name>/fold-<k>.failed.json  why the last attempt at a fold run failed
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from prefens.core.errors import StoreError
from prefens.core.files import list_folder
from prefens.core.hashing import short
from prefens.core.types import Folds
from prefens.store.folds_table import check_format, folds_columns
from prefens.store.parquet import read_metadata, write_table
from prefens.store.split_store import SplitStore


@dataclass(frozen=True)
class OOFStore:
    """All of the store under a tracking root.

    Attributes
    ----------
    root : Path
        The tracking root.
    """

    root: Path

    def put_folds(self, folds: Folds) -> SplitStore:
        """Store an assignment of folds, unless it is stored, and return its part of the store.

        Raises
        ------
        StoreError
            Where the store has another format version.
        """
        self.splits()
        split = SplitStore(self.root / "store" / f"{short(folds.data_digest)}-{short(folds.digest)}")
        path = split.path / "folds.parquet"
        if not path.exists():
            columns, metadata = folds_columns(folds)
            write_table(path, pa.table(columns), metadata)
        return split

    def splits(self) -> list[SplitStore]:
        """Return all parts of the store.

        Raises
        ------
        StoreError
            Where one has another format version.
        """
        paths = [folder / "folds.parquet" for folder in list_folder(self.root / "store")]
        paths = [path for path in paths if path.exists()]
        for path in paths:
            metadata = read_metadata(path)
            if metadata is not None:  # a damaged file is named when it is read
                check_format(metadata, path)
        return [SplitStore(path.parent) for path in paths]

    def find(self, folds: Folds) -> SplitStore | None:
        """Return the part of the store that has these folds, or None; StoreError as in `splits`."""
        return next((split for split in self.splits() if split.folds.digest == folds.digest), None)

    def select(self, data_digest: str | None = None, fold_digest: str | None = None) -> SplitStore:
        """Return the one part of the store whose digests begin with these; None stands for any.

        Raises
        ------
        StoreError
            Where there is no such part or there are several, or where the store has another format version.
        """
        splits = self.splits()
        matches = [
            split
            for split in splits
            if split.folds.data_digest.startswith(data_digest or "")
            and split.folds.digest.startswith(fold_digest or "")
        ]
        if len(matches) == 1:
            return matches[0]
        contents = "".join(f"\n    {_described(split)}" for split in splits) or " (nothing yet)"
        raise StoreError(
            f"{self.root}: members on {len(matches)} combinations of data and folds; the store holds{contents}",
            "members that share data digest and fold digest: only those are comparable",
            "choose with data_digest=... or fold_digest=..., or give another tracking.root"
            if splits
            else "train members first: python -m prefens.train data.path=train.csv backbone=tfidf",
        )


def _described(split: SplitStore) -> str:
    names = ", ".join(spec.name for spec in split.members())
    folds = split.folds
    return (
        f"data_digest={short(folds.data_digest)} fold_digest={short(folds.digest)} ({len(folds.ids)} pairs, "
        f"{folds.settings['scheme']}, k={folds.k}, seed={folds.settings['seed']}): {names}"
    )
