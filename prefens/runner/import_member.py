"""Importing an external member into the store, where it is a member like any other, but without models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from prefens.core.errors import ConfigError, StoreError
from prefens.core.fold_run import FoldPredictions
from prefens.core.metrics import accuracy, log_loss
from prefens.data.raw.names import stem
from prefens.runner.sync import sync_member
from prefens.store.external import ExternalMember
from prefens.store.member_spec import MemberSpec
from prefens.store.run_record import RunResult
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import Tracker

RESERVED = ("best", "blend")  # what method= and teacher.source= call the best method and the stored blend


def import_member(split: SplitStore, tracker: Tracker, member: ExternalMember, force: bool = False) -> MemberSpec:
    """Store and track an external member; importing it again writes what is damaged or missing, and nothing else.

    Parameters
    ----------
    split : SplitStore
        Where it is stored.
    tracker : Tracker
        Where it is logged.
    member : ExternalMember
        The member.
    force : bool
        Whether to replace an external member of this name that has other predictions.

    Raises
    ------
    StoreError
        Where ids are missing or unknown, or where a member of its name is stored with other predictions, or damaged.
    ConfigError
        For a name that can't be a folder's.
    """
    name = member.name
    plain = name and Path(name).name == name and not name.startswith(".") and stem(Path(name)) == name
    if not plain or not name.isprintable() or name in RESERVED:
        came, expected = f"name={name!r}", "a printable name without slashes, leading dot or suffix"
        raise ConfigError(came, f"{expected}, other than {' and '.join(RESERVED)}", "set name=mine, say")
    spec, runs = member.spec(split.folds), member.runs(split.folds)
    stored = _stored(split, spec)
    if stored is not None and not _same(split, stored, spec, runs):
        if stored.external is None or not force:
            raise StoreError(
                f"{split.path}: has a member {name} already, with other predictions",
                "the same file with the same columns, or another name",
                "set name=..." + (", or force=true to replace it" if stored.external else ""),
            )
        split.forget(stored)
    split.put_member(spec)
    for run in runs:
        if not _is_whole(split, spec, run.key.fold):
            _put(split, spec, run)
    tracker.attempt(partial(sync_member, split, spec))
    return spec


def _stored(split: SplitStore, spec: MemberSpec) -> MemberSpec | None:
    """Return the stored member of this name; where its member.json is damaged, `spec` if its fold runs are stored."""
    if spec.name not in split.member_names():
        return None
    try:
        return split.member(spec.name)
    except StoreError:
        if not any(_is_whole(split, spec, fold) for fold in range(split.folds.k)):
            raise
        return spec


def _is_whole(split: SplitStore, spec: MemberSpec, fold: int) -> bool:
    try:
        split.checked_record(spec, fold)
    except StoreError:
        return False
    return True


def _same(split: SplitStore, stored: MemberSpec, spec: MemberSpec, runs: Sequence[FoldPredictions]) -> bool:
    """Whether what is stored of a member is what comes; the same file read by other columns is not."""
    if stored != spec:
        return False
    return all(
        np.array_equal(getattr(split.predictions(spec, fold), name), getattr(runs[fold], name))
        for fold in range(split.folds.k)
        if _is_whole(split, spec, fold)
        for name in ("ids", "probabilities", "holdout_ids", "holdout_probabilities")
    )


def _put(split: SplitStore, spec: MemberSpec, run: FoldPredictions) -> None:
    label = split.folds.label[split.folds.split(run.key.fold).valid]
    scores = log_loss(run.probabilities, label), accuracy(run.probabilities, label)
    result = RunResult(log_loss=scores[0], accuracy=scores[1], seconds=0.0, valid_rows=len(run.ids))
    split.put(spec, run, result, lambda directory: None)
