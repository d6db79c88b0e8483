"""Nested teachers: members trained without two folds, so that their predictions of one are honest for the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa

from prefens.core import shutdown
from prefens.core.errors import ConfigError, StoreError
from prefens.core.files import recover
from prefens.core.fold_run import FoldPredictions, RunKey, training_rows
from prefens.core.leases.leases import fold_lease, wait_for
from prefens.core.types import Fold, Folds, MemberInfo, OOFStack, Strings
from prefens.data.corpus import Corpus
from prefens.inference.fold_models import member_class, model_folder
from prefens.members.base import Member
from prefens.members.serialization import load_settings
from prefens.members.training.distributed import world_size
from prefens.runner.builders import recipe_of
from prefens.runner.fit import fit_and_predict
from prefens.store.assemble import check_rows
from prefens.store.member_spec import MemberSpec
from prefens.store.predictions_table import read_predictions
from prefens.store.run_folder import PREDICTIONS, check_run_files, read_run, write_run
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)

LEAST_FOLDS = 3  # without two of them, something must be left to train on


@dataclass(frozen=True)
class NestedTeachers:
    """Trains members without two folds, and keeps what they predict of both beside the members' fold runs.

    A run serves both folds: it predicts the rows of one for students that are scored on the other. k folds need
    k(k-1)/2 runs of a member. Runs are stored whole or not at all, as fold runs are, and their models are not kept.

    Attributes
    ----------
    corpus : Corpus
        The pairs and folds, without soft labels.
    split : SplitStore
        The part of the store that the members are in.
    backbones : sequence of Path
        Folders of backbone files that go before the installed ones.
    """

    corpus: Corpus
    split: SplitStore
    backbones: Sequence[Path] = ()

    def stacks(self, specs: Sequence[MemberSpec]) -> dict[int, OOFStack]:
        """Return, of each fold, the stack of the other folds' rows by members that saw neither; train what is missing.

        Raises
        ------
        ConfigError
            As in `check`; or runs are missing, and several processes train together, or a member
            learned from other extra rows than the corpus has.
        StoreError
            A member can't be trained again from what the store holds.
        """
        self.check()
        folds = self.corpus.folds
        pairs = list(combinations(range(folds.k), 2))
        runs = {spec.info: {pair: self._run(spec, pair) for pair in pairs} for spec in specs}
        return {fold: _stack_without(folds, fold, runs) for fold in range(folds.k)}

    def check(self) -> None:
        """Check that there are three folds, and rows to train on without any two; ConfigError where there are not."""
        folds = self.corpus.folds
        if folds.k < LEAST_FOLDS:
            raise ConfigError(f"teacher.scheme=nested with {folds.k} folds", "three or more", "set teacher.scheme=oof")
        for pair in combinations(range(folds.k), 2):
            if not training_rows(folds, np.isin(folds.fold, pair)).any():
                came = f"teacher.scheme=nested: nothing is left to train on without folds {pair[0]} and {pair[1]}"
                raise ConfigError(came, "sources that do not share all prompts", "set teacher.scheme=oof")

    def _run(self, spec: MemberSpec, pair: tuple[int, int]) -> FoldPredictions:
        """Return what the member says that is trained without two folds: as it is stored, or trained now."""
        key, folder = replace(spec.key(pair[0]), second=pair[1]), self.split.nested_dir(spec.name, pair)
        recover(folder)
        stored = self._read(spec, key, folder)
        if stored is None:
            with wait_for(fold_lease(self.split.root, key), {"member": spec.name, "folds": list(pair)}):
                recover(folder)
                stored = self._read(spec, key, folder)  # which another process may have trained
                return self._train(spec, key, folder, pair) if stored is None else stored
        self._checkpoint(key).unlink(missing_ok=True)  # its process was killed after it had stored the run
        return stored

    def _read(self, spec: MemberSpec, key: RunKey, folder: Path) -> FoldPredictions | None:
        if not folder.exists():
            return None
        try:
            check_run_files(folder, read_run(folder, key, spec.remake), "", spec.remake)
            run = read_predictions(folder / PREDICTIONS, key, _as_objects, spec.remake)
            folds = self.corpus.folds
            check_rows(spec.info, folds, run, folds.ids[(folds.fold == key.fold) | (folds.fold == key.second)])
            return run
        except StoreError as error:
            log.warning("%s; training it again", error.came)
            return None

    def _train(self, spec: MemberSpec, key: RunKey, folder: Path, pair: tuple[int, int]) -> FoldPredictions:
        if world_size() > 1:
            came = f"{spec.name} is not trained without folds {pair}, and several processes train together"
            raise ConfigError(came, "nested teachers that are stored", "run the same command in one process first")
        if spec.recipe.get("extra_digest") != self.corpus.extra_digest:
            came = f"the teacher {spec.name} was trained with other extra rows than data.extra gives"
            raise ConfigError(came, "the same for teacher and student", "correct data.extra, or set teacher.scheme=oof")
        shutdown.check()
        log.info("%s: training a nested teacher without folds %d and %d", spec.name, *pair)
        started, checkpoint = time.time(), self._checkpoint(key)
        recover(checkpoint)
        fold, member = without(self.corpus.folds, pair), rebuild(self.split, spec, self.backbones)
        predictions, result = fit_and_predict(self.corpus, fold, member, key, self.split.root, checkpoint)
        with shutdown.defer():
            write_run(folder, predictions, result, None, started)
            shutdown.note_kept()
            checkpoint.unlink(missing_ok=True)
        return predictions

    def _checkpoint(self, key: RunKey) -> Path:
        return self.split.root / "checkpoints" / f"{key.digest[:16]}.pt"


def without(folds: Folds, pair: tuple[int, int]) -> Fold:
    """Return the rows of a training that leaves out two folds and predicts both."""
    left_out = np.isin(folds.fold, pair)
    train, valid, holdout = folds.scored & ~left_out, left_out, ~folds.scored
    return Fold(pair[0], *(np.flatnonzero(rows) for rows in (train, valid, holdout)))


def rebuild(split: SplitStore, spec: MemberSpec, backbones: Sequence[Path] = ()) -> Member:
    """Return an unfitted member with the settings of a stored one, which are checked against its recipe.

    Raises
    ------
    StoreError
        No model of it is stored, or its settings are not those of the recipe.
    BackboneError
        The files of its backbone are missing.
    """
    folder = model_folder(split, spec, 0)
    member = load_settings(member_class(spec), folder)
    member.use_backbones(backbones)
    member.resolve()
    recipe = {name: value for name, value in spec.recipe.items() if name != "extra_digest"}
    own = recipe_of(member) | member.identity()
    if own != recipe:
        names = sorted(name for name in {**own, **recipe} if own.get(name) != recipe.get(name))
        raise StoreError(
            f"{folder} makes a member of another recipe than {spec.name} (other {', '.join(names)})",
            "the settings that the member was trained with",
            f"{spec.remake}; or set teacher.scheme=oof",
        )
    return member


def _stack_without(
    folds: Folds, fold: int, runs: Mapping[MemberInfo, Mapping[tuple[int, int], FoldPredictions]]
) -> OOFStack:
    """Return the stack of the rows of other folds than one, by members that saw neither a row's fold nor this one."""
    rows = folds.rows(training_rows(folds, folds.fold == fold))
    stacked = np.empty((len(runs), len(rows.ids), rows.n_outcomes))
    for place, own in enumerate(runs.values()):
        by_id = {
            id_: row
            for pair, run in own.items()
            if fold in pair
            for id_, row in zip(run.ids, run.probabilities, strict=True)
        }
        stacked[place] = [by_id[id_] for id_ in rows.ids]
    return OOFStack(tuple(runs), stacked, rows)


def _as_objects(stored: pa.Array) -> Strings:
    ids: Strings = stored.to_numpy(zero_copy_only=False).astype(object)
    return ids
