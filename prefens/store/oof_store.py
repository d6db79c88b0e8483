"""The OOF store: folds, members and their out-of-fold probabilities as plain files under one root.

Guarantees. A fold run is stored whole or not at all: it is written under a temporary name, synced and renamed. What is
stored is never changed, unless by force. What is read has the size and the sha256 that run.json or manifest.json
recorded; what is damaged, or belongs to another key, is refused by name. A store of another format version is refused.
The root can be moved, copied and read-only.

    store/<data>-<folds>/folds.parquet                        ids, labels, prompt groups, folds
    store/<data>-<folds>/blend/                               the latest blend: blend.json, predictions.parquet, ...
    store/<data>-<folds>/members/<name>/member.json           recipe, seed, digests
    store/<data>-<folds>/members/<name>/fold-<k>/             predictions.parquet, run.json, model/
    store/<data>-<folds>/members/<name>/all/                  the same of the full fit, trained on all folds at once
    store/<data>-<folds>/members/<name>/fold-<k>.failed.json  why the last attempt at a fold run failed
    store/<data>-<folds>/members/<name>/nested/               predictions of trainings without two folds
    store/<data>-<folds>/members/<name>/distillation.parquet  a student beside its teacher
    store/<data>-<folds>/unlabelled/<pairs>/<name>/           what fold models predict for pairs without votes
    store/<data>-<folds>/soft_labels/                         probabilities of teachers, by fold
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from prefens.core.errors import StoreError
from prefens.core.files import list_folder
from prefens.core.fold_run import is_by_source
from prefens.core.hashing import short
from prefens.core.types import Folds
from prefens.store.folds_table import check_format, folds_columns
from prefens.store.parquet import read_metadata, write_table
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)


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
        """Store an assignment of folds, in place of a damaged file of it, and return its part of the store.

        Raises
        ------
        StoreError
            Where the store has another format version.
        """
        self.splits()
        split = SplitStore(self._path(folds))
        if not _is_whole(split, folds):
            columns, metadata = folds_columns(folds)
            write_table(split.path / "folds.parquet", pa.table(columns), metadata)
            split = SplitStore(split.path)  # without the folds that it has read
        return split

    def _path(self, folds: Folds) -> Path:
        return self.root / "store" / f"{short(folds.data_digest)}-{short(folds.digest)}"

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
        return next((split for split in self.splits() if split.path == self._path(folds)), None)

    def select(self, data_digest: str | None = None, fold_digest: str | None = None) -> SplitStore:
        """Return the one part of the store whose digests begin with these; None stands for any.

        Raises
        ------
        StoreError
            Where there is no such part or there are several, or where the store has another format version.
        """
        splits = self.splits()
        matches = [split for split in splits if _matches(split, data_digest or "", fold_digest or "")]
        if len(matches) == 1:
            return matches[0]
        if not splits:
            raise StoreError(
                f"no member was trained in {self.root.absolute()}",
                "the folder of your members",
                "set tracking.root=, or train: python -m prefens.train data.path=train.csv backbone=tfidf",
            )
        raise StoreError(
            f"{self.root}: members on {len(matches)} combinations of data and folds; the store holds{self.contents()}",
            "members that share data digest and fold digest: only those are comparable",
            "choose with data_digest=... or fold_digest=..., or give another tracking.root",
        )

    def contents(self) -> str:
        """Return a line for each part of the store, for errors; errors as in `splits`."""
        return "".join(f"\n    {_described(split)}" for split in self.splits()) or " (nothing yet)"

    def predicting(self, data_digest: str | None = None, fold_digest: str | None = None) -> SplitStore:
        """Return the part that predicts new pairs: the one that the digests name, else the one whose folds are sources.

        Where that one has no blend and a single other one has, the other one predicts. A line of the log says which,
        where the store has several.

        Raises
        ------
        StoreError
            As in `select`, where the digests leave several parts, and not one alone of the same data has such folds.
        """
        splits = [split for split in self.splits() if _matches(split, data_digest or "", fold_digest or "")]
        by_source = [split for split in splits if is_by_source(split.folds)]
        if len(splits) < 2 or len(by_source) != 1 or len({split.folds.data_digest for split in splits}) > 1:
            return self.select(data_digest, fold_digest)
        (chosen,) = by_source
        blended = [split for split in splits if split.has_blend()]
        if len(blended) == 1 and blended != by_source:
            log.warning("the split by source, %s, has no blend: %s predicts", chosen.path, blended[0].path)
            return blended[0]
        log.info("of %d splits, that by source predicts: %s (fold_digest= names another)", len(splits), chosen.path)
        return chosen

    def is_best(self, split: SplitStore) -> bool:
        """Return whether a part's blend is the best model: not where another part of its data has folds by source."""
        data = split.path.name.partition("-")[0]
        others = [other for other in self.splits() if other.path.name.partition("-")[0] == data]
        return is_by_source(split.folds) or not any(map(_is_by_source, others))


def _is_whole(split: SplitStore, folds: Folds) -> bool:
    """Whether a part of the store has its folds.parquet; a warning names one that is damaged."""
    if not (split.path / "folds.parquet").exists():
        return False
    try:
        return split.folds.digest == folds.digest
    except StoreError as error:
        log.warning("%s; writing it again", error.came)
        return False


def _is_by_source(split: SplitStore) -> bool:
    """Whether the folds of a part of the store are sources; what is damaged is named by those that use it."""
    try:
        return is_by_source(split.folds)
    except StoreError:
        return False


def _matches(split: SplitStore, data_digest: str, fold_digest: str) -> bool:
    """Whether the digests of a part of the store begin so; the file is read only where its folder's name agrees."""
    data, _, folds = split.path.name.partition("-")
    if not (data.startswith(short(data_digest)) and folds.startswith(short(fold_digest))):
        return False
    return split.folds.data_digest.startswith(data_digest) and split.folds.digest.startswith(fold_digest)


def _described(split: SplitStore) -> str:
    names = ", ".join(split.member_names())
    folds = split.folds
    outcomes = "" if folds.n_outcomes == 3 else f", {folds.n_outcomes} outcomes"
    holdout = "" if folds.scored.all() else f", holdout={folds.settings['holdout']}"
    return (
        f"data_digest={short(folds.data_digest)} fold_digest={short(folds.digest)} ({len(folds.ids)} pairs, "
        f"{folds.settings['scheme']}, k={folds.k}, seed={folds.settings['seed']}{holdout}{outcomes}): {names}"
    )
