"""The part of the store that belongs to one data set and one assignment of folds: its members, runs and blend."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from filelock import FileLock

from prefens.core.errors import BLEND_AGAIN, StoreError
from prefens.core.files import atomic_write, list_folder, recover
from prefens.core.fold_run import FULL, FoldPredictions
from prefens.core.types import Folds, Strings
from prefens.store.failures import clear_failure
from prefens.store.folds_table import FOLDS_AGAIN, check_k, folds_of
from prefens.store.integrity import check_manifest, write_manifest
from prefens.store.member_spec import FULL_AGAIN, MemberSpec, read_member, write_member
from prefens.store.parquet import read_metadata, read_table
from prefens.store.predictions_table import read_predictions
from prefens.store.run_folder import MODEL, PREDICTIONS, check_run_files, read_run, write_run
from prefens.store.run_record import RunRecord, RunResult

TUNED = "tuned_on_oof"  # the file that marks such a member


@dataclass(frozen=True)
class SplitStore:
    """The part of the store that belongs to one data set and one assignment of folds.

    Attributes
    ----------
    path : Path
        Its folder.
    _k : int or None
        The number of folds, where the folder has no folds: that of a saved model.
    """

    path: Path
    _k: int | None = None

    @property
    def root(self) -> Path:
        """The tracking root that the store lies under."""
        return self.path.parents[1]

    @cached_property
    def folds(self) -> Folds:
        """The assignment of folds; StoreError where it is damaged or of another format version."""
        path = self.path / "folds.parquet"
        return folds_of(*read_table(path, FOLDS_AGAIN), path, FOLDS_AGAIN)

    @cached_property
    def k(self) -> int:
        """The number of folds, read without their rows; StoreError where the file is damaged."""
        path = self.path / "folds.parquet"
        return check_k(read_metadata(path) or {}, path, FOLDS_AGAIN) if self._k is None else self._k

    def member_dir(self, name: str) -> Path:
        """Return the folder of a member."""
        return self.path / "members" / name

    def fold_dir(self, name: str, fold: int) -> Path:
        """Return the folder of a fold run, or of the full fit where `fold` is k."""
        return self.member_dir(name) / self.part_name(fold).replace(" ", "-")

    def part_name(self, fold: int) -> str:
        """Return what messages call a fold run: "fold 3", or "all" for the full fit, where `fold` is k."""
        return FULL if fold == self.k else f"fold {fold}"

    def has_full(self, name: str) -> bool:
        """Whether the full fit of a member is stored, damaged or not."""
        return self.fold_dir(name, self.k).exists()

    def remake(self, spec: MemberSpec, fold: int) -> str:
        """Return what to do where the files of a fold run are damaged or missing, for errors."""
        return FULL_AGAIN if fold == self.k else spec.remake

    def nested_dir(self, name: str, folds: tuple[int, int]) -> Path:
        """Return the folder of a run of a member that leaves out two folds, to teach."""
        return self.member_dir(name) / "nested" / f"fold-{folds[0]}-{folds[1]}"

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

    def member_names(self) -> list[str]:
        """Return the names of all members, complete or not, sorted."""
        folders = list_folder(self.path / "members")
        return [folder.name for folder in folders if (folder / "member.json").exists()]

    def member(self, name: str) -> MemberSpec:
        """Return a member.

        Raises
        ------
        StoreError
            Where its member.json is missing, damaged, or describes another member.
        """
        spec = read_member(self.member_dir(name) / "member.json")
        return replace(spec, tuned_on_oof=self.is_tuned(spec))

    def members(self) -> Iterator[MemberSpec]:
        """Yield all members, complete or not, sorted by name; StoreError as in `member`."""
        return map(self.member, self.member_names())

    def mark_tuned(self, spec: MemberSpec) -> None:
        """Note that a member's settings were chosen by the rows that it is scored on."""
        self.put_member(spec)
        (self.member_dir(spec.name) / TUNED).touch()

    def is_tuned(self, spec: MemberSpec) -> bool:
        """Whether `mark_tuned` was called for the member."""
        return (self.member_dir(spec.name) / TUNED).exists()

    def finished_folds(self, spec: MemberSpec) -> list[int]:
        """Return the folds of a member that are stored; StoreError where the run.json of one is damaged."""
        return [*self.records(spec)]

    def records(self, spec: MemberSpec) -> dict[int, RunRecord]:
        """Return the run.json of each fold that is stored; StoreError where one is damaged."""
        stored = [fold for fold in range(self.folds.k) if self.fold_dir(spec.name, fold).exists()]
        return {fold: self.record(spec, fold) for fold in stored}

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
                write_manifest(tmp)

    def has_blend(self) -> bool:
        """Whether a blend is stored."""
        return self.blend_path.exists()

    def find_blend(self) -> Path:
        """Return the path of the stored blend.json.

        Raises
        ------
        StoreError
            Where there is none, or where a file of the blend is missing or damaged.
        """
        if not self.has_blend():
            raise StoreError(f"no blend in {self.path}", "blend weights", "blend first: python -m prefens.blend")
        check_manifest(self.blend_dir, BLEND_AGAIN, self.blend_path.name)
        return self.blend_path

    def blend(self) -> dict[str, Any]:
        """Return the content of the stored blend.json; StoreError as in `find_blend`."""
        content: dict[str, Any] = json.loads(self.find_blend().read_text("utf-8"))
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
        folder = self.fold_dir(spec.name, predictions.key.fold)
        write_run(folder, predictions, result, save_model, started)
        clear_failure(folder)
        return folder

    def record(self, spec: MemberSpec, fold: int) -> RunRecord:
        """Return what is noted of a finished fold run.

        Raises
        ------
        StoreError
            Where its run.json is missing or damaged, each wrong field is named, or is of another fold run.
        """
        return read_run(self.fold_dir(spec.name, fold), spec.key(fold), self.remake(spec, fold))

    def contents(self, spec: MemberSpec) -> list[str]:
        """Return the digests of all fold runs of a member, then of its full fit, if any; StoreError as in `record`."""
        return [self.record(spec, fold).content for fold in range(self.k + self.has_full(spec.name))]

    def checked_record(self, spec: MemberSpec, fold: int, part: str = "") -> RunRecord:
        """Return what is noted of a finished fold run, once its files are seen to be as they were written.

        Parameters
        ----------
        spec, fold : MemberSpec and int
            Which one.
        part : str
            What the paths of the files to check begin with: `PREDICTIONS`, `MODEL`, or "" for all.

        Raises
        ------
        StoreError
            As in `record`, and where a file is missing or damaged.
        """
        record = self.record(spec, fold)
        check_run_files(self.fold_dir(spec.name, fold), record, part, self.remake(spec, fold))
        return record

    def has_model(self, spec: MemberSpec, fold: int) -> bool:
        """Whether a fold run has a stored model, which is then as it was written; StoreError as in `checked_record`."""
        return any(name.startswith(MODEL) for name in self.checked_record(spec, fold, MODEL).files)

    def predictions(self, spec: MemberSpec, fold: int, part: str = PREDICTIONS) -> FoldPredictions:
        """Read the probabilities of a fold run, once `part` of its files are checked.

        Raises
        ------
        StoreError
            As in `checked_record`.
        """
        self.checked_record(spec, fold, part)
        path = self.fold_dir(spec.name, fold) / PREDICTIONS
        return read_predictions(path, spec.key(fold), partial(self._as_objects, fold), self.remake(spec, fold))

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
