"""The other split of a blend's data: by source where the blend's is not, and the other way round."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prefens.core.errors import StoreError
from prefens.core.fold_run import is_by_source
from prefens.core.metrics import log_loss
from prefens.core.types import Folds
from prefens.ensemble.blend import Blend
from prefens.ensemble.files.blend_files import read_blend
from prefens.ensemble.results import OtherSplit
from prefens.runner.sync import member_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.selection import missing_folds
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)


def find_other_split(split: SplitStore, specs: Sequence[MemberSpec]) -> OtherSplit | None:
    """Return what members have in the other split that holds most of them; None where there is none.

    They are joined by recipe and seed. What is damaged or not complete there is left out, with a warning.
    """
    figures = [_figures(split.folds, other, specs) for other in _others(OOFStore(split.root), split.folds)]
    figures = [each for each in figures if each.losses]
    return max(figures, key=lambda each: (len(each.losses), each.fold_digest), default=None)


def read_blends(root: Path, path: str | None, digests: tuple[str | None, str | None]) -> tuple[Blend, Blend | None]:
    """Return a blend, and the stored one of the other split that shares most members with it, or None.

    Parameters
    ----------
    root : Path
        The tracking root.
    path : str or None
        A blend.json; None for the stored blend that predicts.
    digests : tuple of two str or None
        What the digests of data and folds begin with, to choose among several stored ones.

    Raises
    ------
    StoreError
        Where there is no such blend, or where it is damaged.
    """
    store = OOFStore(root)
    blend = read_blend(Path(path or store.predicting(*digests).find_blend()))
    blends: list[Blend] = []
    for other in _others(store, blend.folds):
        try:
            blends += [read_blend(other.find_blend())] if other.has_blend() else []
        except StoreError as error:
            log.warning("not compared with the blend in %s: %s", other.path, error.came)
    shared = [(len({*each.names} & {*blend.names}), each.folds.digest) for each in blends]
    return blend, blends[shared.index(max(shared))] if blends else None


def _others(store: OOFStore, folds: Folds) -> list[SplitStore]:
    """Return the splits of the same data of which either these folds or theirs are sources."""
    others = []
    for split in store.splits():
        try:
            if split.folds.data_digest == folds.data_digest and is_by_source(split.folds) != is_by_source(folds):
                others.append(split)
        except StoreError as error:
            log.warning("not compared with %s: %s", split.path, error.came)
    return others


def _figures(folds: Folds, other: SplitStore, specs: Sequence[MemberSpec]) -> OtherSplit:
    losses: dict[str, float] = {}
    stored, scored = set(other.member_names()), {*folds.ids[folds.scored]}
    for spec in specs:
        if spec.external is not None or spec.name not in stored:
            continue
        try:
            own = other.member(spec.name)
            if (own.recipe_digest, own.seed) != (spec.recipe_digest, spec.seed) or missing_folds(other, own):
                continue
            stack, _ = member_stack(other, own)
        except StoreError as error:
            log.warning("%s is not compared with that in %s: %s", spec.name, other.path, error.came)
            continue
        both = np.array([id_ in scored for id_ in stack.folds.ids], dtype=bool)
        if both.any():
            losses[spec.name] = log_loss(stack.probabilities[0][both], stack.folds.label[both])
    return OtherSplit(other.folds.digest, is_by_source(other.folds), losses)
