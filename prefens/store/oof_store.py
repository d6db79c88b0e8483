"""The OOF store: folds, members and their out-of-fold probabilities as plain files under one root.

Guarantees. A fold run is either wholly there or not at all: it is written under a temporary name, synced and
renamed. What is there is never changed, unless by force. Anything that is damaged or belongs to another key is
refused by name when it is read. The root can be moved, copied and read-only.

    store/<data>-<folds>/folds.parquet                        ids, labels, prompt groups, folds
    store/<data>-<folds>/blend/                               the latest blend: blend.json, predictions.parquet, ...
    store/<data>-<folds>/members/<name>/member.json           recipe, seed, digests
    store/<data>-<folds>/members/<name>/fold-<k>/             predictions.parquet, run.json, model/
    store/<data>-<folds>/members/<name>/fold-<k>.failed.json  why the last attempt at a fold run failed
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from filelock import FileLock
from safetensors import SafetensorError

from prefens.core.errors import StoreError
from prefens.core.files import mend, write_json, written_aside
from prefens.core.hashing import short
from prefens.core.types import Floats, FoldPredictions, Folds, Outcome, RunKey, Strings
from prefens.store.failures import clear_failure
from prefens.store.folds_table import folds_columns, folds_of
from prefens.store.integrity import file_sizes, wrong_sizes
from prefens.store.member_spec import MemberSpec
from prefens.store.parquet import read_table, write_table

TUNED = "tuned_on_oof"  # the file that marks such a member
OUTCOMES = [outcome.name.lower() for outcome in Outcome]


@dataclass(frozen=True)
class SplitStore:
    """The part of the store that belongs to one data set and one assignment of folds."""

    path: Path

    @property
    def root(self) -> Path:
        """The tracking root that the store lies under."""
        return self.path.parents[1]

    @cached_property
    def folds(self) -> Folds:
        """The assignment, checked against its digest."""
        path = self.path / "folds.parquet"
        return folds_of(*read_table(path), path)

    def member_dir(self, name: str) -> Path:
        return self.path / "members" / name

    def fold_dir(self, name: str, fold: int) -> Path:
        return self.member_dir(name) / f"fold-{fold}"

    def put_member(self, spec: MemberSpec) -> None:
        """Describe a member; describing it again changes nothing."""
        path = self.member_dir(spec.name) / "member.json"
        if not path.exists():
            write_json(path, asdict(spec) | {"name": spec.name, "recipe_digest": spec.recipe_digest})
        known = json.loads(path.read_text("utf-8"))["recipe_digest"]
        if known != spec.recipe_digest:
            raise StoreError(
                f"{path} holds recipe {known}",
                f"{spec.recipe_digest}",
                "give another tracking.root: two recipes share a name",
            )

    def forget(self, spec: MemberSpec) -> None:
        """Delete a member with all its fold runs."""
        shutil.rmtree(self.member_dir(spec.name))

    def members(self) -> Iterator[MemberSpec]:
        """Yield all members, complete or not, sorted by name."""
        for path in sorted(self.path.glob("members/*/member.json")):
            fields = json.loads(path.read_text("utf-8"))
            marked = (path.parent / TUNED).exists()
            known = {name: fields[name] for name in MemberSpec.__dataclass_fields__ if name in fields}
            spec = MemberSpec(**{**known, "tuned_on_oof": marked})
            if spec.name != path.parent.name or spec.recipe_digest != fields["recipe_digest"]:
                raise StoreError(f"{path} describes {spec.name}", path.parent.name, "restore or delete the folder")
            yield spec

    def mark_tuned(self, spec: MemberSpec) -> None:
        """Note that a member's settings were chosen by the rows that it is scored on."""
        self.put_member(spec)
        (self.member_dir(spec.name) / TUNED).touch()

    def is_tuned(self, spec: MemberSpec) -> bool:
        """Whether `mark_tuned` was called for the member."""
        return (self.member_dir(spec.name) / TUNED).exists()

    def finished_folds(self, spec: MemberSpec) -> list[int]:
        """Return the folds of a member that are in the store under its keys."""
        return [fold for fold in range(self.folds.k) if self.has(spec, fold)]

    def has(self, spec: MemberSpec, fold: int) -> bool:
        """Whether a fold run is in the store under its key."""
        if not (self.fold_dir(spec.name, fold) / "run.json").exists():
            return False
        return bool(self.facts(spec, fold)["key"] == spec.key(fold).as_dict())

    @property
    def blend_dir(self) -> Path:
        """The folder of the stored blend's files."""
        return self.path / "blend"

    @property
    def blend_path(self) -> Path:
        """The stored blend.json; the blend's other files lie beside it."""
        return self.blend_dir / "blend.json"

    def put_blend(self, write: Callable[[Path], object]) -> None:
        """Store the blend that predictions use, in one step, in place of an earlier one.

        `write` puts its files, blend.json among them, into the empty folder that it is given.
        """
        lock = self.path.parents[1] / "locks" / f"blend-{self.path.name}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            mend(self.blend_dir)
            with written_aside(self.blend_dir) as aside:
                aside.mkdir()
                write(aside)

    def has_blend(self) -> bool:
        """Whether a blend is stored."""
        return self.blend_path.exists()

    def blend(self) -> dict[str, Any]:
        """Return the content of the stored blend.json; StoreError where there is none."""
        if not self.blend_path.exists():
            raise StoreError(f"no blend in {self.path}", "blend weights", "blend first: python -m prefens.blend")
        try:
            content: dict[str, Any] = json.loads(self.blend_path.read_text("utf-8"))
        except ValueError as error:
            raise StoreError(f"{self.blend_path}: {error}", "whole JSON", "blend again") from error
        return content

    def put(
        self,
        spec: MemberSpec,
        predictions: FoldPredictions,
        facts: Mapping[str, Any],
        save_model: Callable[[Path], None],
    ) -> Path:
        """Store a finished fold run, with its model, in one step; return its folder. StoreError on a full disk.

        `facts` may hold "started", the time in seconds since the epoch; "ended" is now.
        """
        now = time.time()
        folder = self.fold_dir(spec.name, predictions.key.fold)
        try:
            with written_aside(folder) as aside:
                (aside / "model").mkdir(parents=True)
                save_model(aside / "model")
                _write_predictions(aside / "predictions.parquet", predictions)
                stored = {"key": predictions.key.as_dict(), "files": file_sizes(aside), "started": now, "ended": now}
                write_json(aside / "run.json", stored | dict(facts))
        except (OSError, SafetensorError) as error:
            raise StoreError(
                f"{folder}: {getattr(error, 'strerror', None) or error}; nothing was stored",
                "room for a fold run, and the right to write it",
                "make room and run the same command again",
            ) from error
        clear_failure(folder)
        return folder

    def facts(self, spec: MemberSpec, fold: int) -> dict[str, Any]:
        """Return what was noted of a finished fold run."""
        path = self.fold_dir(spec.name, fold) / "run.json"
        try:
            found: dict[str, Any] = orjson.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: {error}", "whole JSON", "run the same train command again") from error
        return found

    def damage(self, spec: MemberSpec, fold: int) -> str | None:
        """Return what is wrong with a stored fold run, in words: damaged or missing files; None where it is whole."""
        try:
            wrong = wrong_sizes(self.fold_dir(spec.name, fold), self.facts(spec, fold).get("files", {}))
            if wrong is None:
                self.predictions(spec, fold)
            return wrong
        except StoreError as error:
            return error.came

    def predictions(self, spec: MemberSpec, fold: int) -> FoldPredictions:
        """Read a fold run's probabilities; StoreError where they are damaged or have another key."""
        path = self.fold_dir(spec.name, fold) / "predictions.parquet"
        table, about = read_table(path)
        key = RunKey(**about)
        if key != spec.key(fold):
            wrong = {name: value for name, value in key.as_dict().items() if spec.key(fold).as_dict()[name] != value}
            raise StoreError(
                f"{path}: belongs to another run ({wrong})", f"the key of {spec.name}, fold {fold}", "delete the folder"
            )
        held_out = table.column("holdout").to_numpy().astype(bool)
        values = np.column_stack([table.column(name).to_numpy() for name in OUTCOMES])
        ids = self._ids(table.column("id").combine_chunks(), fold)
        return FoldPredictions(key, ids[~held_out], values[~held_out], ids[held_out], values[held_out])

    def _ids(self, stored: pa.Array, fold: int) -> Strings:
        """Return stored ids as objects: the folds' own where they are equal, since making millions takes seconds."""
        if fold not in self._known:
            rows = self.folds.split(fold)
            ids = self.folds.ids[np.concatenate([rows.valid, rows.holdout])]
            self._known[fold] = pa.array(ids, stored.type), ids
        expected, ids = self._known[fold]
        return ids if stored.equals(expected) else stored.to_numpy(zero_copy_only=False).astype(object)

    @cached_property
    def _known(self) -> dict[int, tuple[pa.Array, Strings]]:
        return {}


@dataclass(frozen=True)
class OOFStore:
    """All of the store under `root`."""

    root: Path

    def put_folds(self, folds: Folds) -> SplitStore:
        """Store an assignment of folds, unless it is there, and return its part of the store."""
        split = SplitStore(self.root / "store" / f"{short(folds.data_digest)}-{short(folds.digest)}")
        path = split.path / "folds.parquet"
        if not path.exists():
            columns, metadata = folds_columns(folds)
            write_table(path, pa.table(columns), metadata)
        return split

    def splits(self) -> list[SplitStore]:
        """Return all parts of the store."""
        return [SplitStore(path.parent) for path in sorted(self.root.glob("store/*/folds.parquet"))]

    def find(self, folds: Folds) -> SplitStore | None:
        """Return the part of the store that has these folds, or None."""
        return next((split for split in self.splits() if split.folds.digest == folds.digest), None)

    def select(self, data_digest: str | None = None, fold_digest: str | None = None) -> SplitStore:
        """Return the one part of the store whose digests begin so; StoreError where there is none, or several."""
        found = self.splits()
        named = [
            split
            for split in found
            if split.folds.data_digest.startswith(data_digest or "")
            and split.folds.digest.startswith(fold_digest or "")
        ]
        if len(named) == 1:
            return named[0]
        told = "".join(f"\n    {_described(split)}" for split in found) or " (nothing yet)"
        raise StoreError(
            f"{self.root}: members on {len(named)} combinations of data and folds; the store holds{told}",
            "members that share data digest and fold digest: only those are comparable",
            "choose with data_digest=... or fold_digest=..., or give another tracking.root"
            if found
            else "train members first: python -m prefens.train data.path=train.csv backbone=tfidf",
        )


def _described(split: SplitStore) -> str:
    names = ", ".join(spec.name for spec in split.members())
    about = split.folds
    return (
        f"data_digest={short(about.data_digest)} fold_digest={short(about.digest)} ({len(about.ids)} pairs, "
        f"{about.settings['scheme']}, k={about.k}, seed={about.settings['seed']}): {names}"
    )


def _write_predictions(path: Path, predictions: FoldPredictions) -> None:
    values: Floats = np.concatenate([predictions.probabilities, predictions.holdout_probabilities])
    held_out = np.repeat([False, True], [len(predictions.ids), len(predictions.holdout_ids)])
    columns = {"id": np.concatenate([predictions.ids, predictions.holdout_ids]), "holdout": held_out}
    columns |= dict(zip(OUTCOMES, values.T, strict=True))
    write_table(path, pa.table(columns), predictions.key.as_dict())
