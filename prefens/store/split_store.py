"""The part of the store that belongs to one data set and one assignment of folds: its members, runs and blend."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from filelock import FileLock
from safetensors import SafetensorError

from prefens.core.errors import StoreError
from prefens.core.files import atomic_write, list_folder, recover, write_json
from prefens.core.fold_run import FoldPredictions
from prefens.core.types import Folds, Strings
from prefens.store.failures import clear_failure
from prefens.store.folds_table import folds_of
from prefens.store.integrity import file_sizes, find_mismatch
from prefens.store.member_spec import MemberSpec, read_member, write_member
from prefens.store.parquet import read_table
from prefens.store.predictions_table import read_predictions, write_predictions
from prefens.store.run_record import RunRecord, RunResult, read_run_record

TUNED = "tuned_on_oof"  # the file that marks such a member


@dataclass(frozen=True)
class SplitStore:
    """The part of the store that belongs to one data set and one assignment of folds.

    Attributes
    ----------
    path : Path
        Its folder.
    """

    path: Path

    @property
    def root(self) -> Path:
        """The tracking root that the store lies under."""
        return self.path.parents[1]

    @cached_property
    def folds(self) -> Folds:
        """The assignment of folds; StoreError where it is damaged or of another format version."""
        path = self.path / "folds.parquet"
        return folds_of(*read_table(path), path)

    def member_dir(self, name: str) -> Path:
        """Return the folder of a member."""
        return self.path / "members" / name

    def fold_dir(self, name: str, fold: int) -> Path:
        """Return the folder of a fold run."""
        return self.member_dir(name) / f"fold-{fold}"

    def put_member(self, spec: MemberSpec) -> None:
        """Describe a member; describing it again changes nothing.

        Raises
        ------
        StoreError
            Where another recipe has the same name.
        """
        write_member(self.member_dir(spec.name) / "member.json", spec)

    def forget(self, spec: MemberSpec) -> None:
        """Delete a member with all its fold runs."""
        shutil.rmtree(self.member_dir(spec.name))

    def members(self) -> Iterator[MemberSpec]:
        """Yield all members, complete or not, sorted by name.

        Raises
        ------
        StoreError
            Where a member.json is damaged or describes another member.
        """
        paths = [folder / "member.json" for folder in list_folder(self.path / "members")]
        for path in [path for path in paths if path.exists()]:
            spec = read_member(path)
            yield replace(spec, tuned_on_oof=self.is_tuned(spec))

    def mark_tuned(self, spec: MemberSpec) -> None:
        """Note that a member's settings were chosen by the rows that it is scored on."""
        self.put_member(spec)
        (self.member_dir(spec.name) / TUNED).touch()

    def is_tuned(self, spec: MemberSpec) -> bool:
        """Whether `mark_tuned` was called for the member."""
        return (self.member_dir(spec.name) / TUNED).exists()

    def finished_folds(self, spec: MemberSpec) -> list[int]:
        """Return the folds of a member that are stored under its keys."""
        return [*self.records(spec)]

    def records(self, spec: MemberSpec) -> dict[int, RunRecord]:
        """Return the run.json of each fold that is stored under its key; StoreError where one is damaged."""
        paths = {fold: self.fold_dir(spec.name, fold) / "run.json" for fold in range(self.folds.k)}
        records = {fold: self.record(spec, fold) for fold, path in paths.items() if path.exists()}
        return {fold: record for fold, record in records.items() if record.key == spec.key(fold)}

    def has(self, spec: MemberSpec, fold: int) -> bool:
        """Whether a fold run is stored under its key; StoreError where its run.json is damaged."""
        if not (self.fold_dir(spec.name, fold) / "run.json").exists():
            return False
        return self.record(spec, fold).key == spec.key(fold)

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

        Parameters
        ----------
        write : callable
            Puts its files, blend.json among them, into the empty folder that it is called with.
        """
        lock = self.root / "locks" / f"blend-{self.path.name}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            recover(self.blend_dir)
            with atomic_write(self.blend_dir) as tmp:
                tmp.mkdir()
                write(tmp)

    def has_blend(self) -> bool:
        """Whether a blend is stored."""
        return self.blend_path.exists()

    def blend(self) -> dict[str, Any]:
        """Return the content of the stored blend.json.

        Raises
        ------
        StoreError
            Where there is none, or it is no JSON.
        """
        if not self.has_blend():
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
        result: RunResult,
        save_model: Callable[[Path], None],
        started: float | None = None,
    ) -> Path:
        """Store a finished fold run in one step, and return its folder.

        Parameters
        ----------
        spec : MemberSpec
            The member.
        predictions : FoldPredictions
            The probabilities, with the key of the fold run.
        result : RunResult
            The scores, the cost and the curves.
        save_model : callable
            Writes the model into the empty folder that it is called with.
        started : float or None
            When the fold run began, in seconds since the epoch; None for now.

        Raises
        ------
        StoreError
            Where the files can't be written (a full disk, say).
        """
        now = time.time()
        folder = self.fold_dir(spec.name, predictions.key.fold)
        try:
            with atomic_write(folder) as tmp:
                (tmp / "model").mkdir(parents=True)
                save_model(tmp / "model")
                write_predictions(tmp / "predictions.parquet", predictions)
                started, files = now if started is None else started, file_sizes(tmp)
                record = RunRecord(**vars(result), key=predictions.key, started=started, ended=now, files=files)
                write_json(tmp / "run.json", record.as_dict())
        except (OSError, SafetensorError) as error:
            raise StoreError(
                f"{folder}: {getattr(error, 'strerror', None) or error}; nothing was stored",
                "room for a fold run, and the right to write it",
                "make room and run the same command again",
            ) from error
        clear_failure(folder)
        return folder

    def record(self, spec: MemberSpec, fold: int) -> RunRecord:
        """Return what is noted of a finished fold run.

        Raises
        ------
        StoreError
            Where its run.json is missing or damaged; each wrong field is named.
        """
        return read_run_record(self.fold_dir(spec.name, fold) / "run.json")

    def damage(self, spec: MemberSpec, fold: int) -> str | None:
        """Say which file of a stored fold run is damaged or missing; None where all are whole."""
        try:
            mismatch = find_mismatch(self.fold_dir(spec.name, fold), self.record(spec, fold).files)
            if mismatch is None:
                self.predictions(spec, fold)
            return mismatch
        except StoreError as error:
            return error.came

    def predictions(self, spec: MemberSpec, fold: int) -> FoldPredictions:
        """Read the probabilities of a fold run.

        Raises
        ------
        StoreError
            Where they are missing or damaged, or have another key.
        """
        path = self.fold_dir(spec.name, fold) / "predictions.parquet"
        return read_predictions(path, spec.key(fold), partial(self._as_objects, fold))

    def _as_objects(self, fold: int, stored: pa.Array) -> Strings:
        """Return stored ids as objects: those of `folds` where they are equal, since making millions takes seconds."""
        if fold not in self._fold_ids:
            rows = self.folds.split(fold)
            ids = self.folds.ids[np.concatenate([rows.valid, rows.holdout])]
            self._fold_ids[fold] = pa.array(ids, stored.type), ids
        expected, ids = self._fold_ids[fold]
        return ids if stored.equals(expected) else stored.to_numpy(zero_copy_only=False).astype(object)

    @cached_property
    def _fold_ids(self) -> dict[int, tuple[pa.Array, Strings]]:
        return {}
