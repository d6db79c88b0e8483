"""A teacher's probabilities of pairs without votes: fold by fold, by models that did not see the fold."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from prefens.core.errors import StoreError, counted
from prefens.core.leases.leases import wait_for
from prefens.core.types import Floats, Pairs
from prefens.ensemble.base import Blender
from prefens.inference.batches import FoldModel, predict_groups
from prefens.inference.fold_models import load_model, model_folder, required_backbones
from prefens.inference.unfinished import Unfinished
from prefens.members.style import all_features
from prefens.runner.teaching.unlabelled import unlabelled_digest
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore
from prefens.store.unlabelled_store import UnlabelledStore

log = logging.getLogger(__name__)

Run = tuple[MemberSpec, int]  # a member and a fold
ByRun = dict[tuple[str, int], Floats]  # by the name of the member, and by fold


def predict_unlabelled(
    split: SplitStore,
    specs: Sequence[MemberSpec],
    blenders: Mapping[int, Blender],
    pairs: Pairs,
    backbones: Sequence[Path] = (),
) -> dict[int, Floats]:
    """Return by fold the (u, K) probabilities of pairs without votes.

    For a fold, each member's model that did not see it predicts alone. For the full fit, which is the fold number k,
    the mean over all k fold models does. Each model predicts once: the store keeps what it predicted, until it is
    trained again. Members that no blender uses are not needed.

    Parameters
    ----------
    split : SplitStore
        The part of the store that has the members.
    specs : sequence of MemberSpec
        The M members.
    blenders : mapping of int to Blender
        The blender of each fold, fitted on these members without the rows of the fold; of k, on all rows.
    pairs : Pairs
        The u pairs.
    backbones : sequence of Path
        Folders that are searched for backbones before the store's own.

    Raises
    ------
    StoreError
        Where a member can't predict new pairs, or where its files are damaged.
    BackboneError
        Where the files of backbones are missing.
    ConfigError, BlendError
        As in `Blender.predict`.
    Stopped
        Where the process was asked to stop; the next call goes on from what is predicted.
    """
    k, n_outcomes = split.folds.k, split.folds.n_outcomes
    folds_of = {index: range(k) if index == k else (index,) for index in sorted(blenders)}
    used = {(place, fold) for index in folds_of for place in _used(blenders[index]) for fold in folds_of[index]}
    store = UnlabelledStore(split, unlabelled_digest(pairs), len(pairs))
    runs = [(specs[place], fold) for place, fold in sorted(used)]
    predicted = _predict_once(store, runs, pairs, [*backbones, split.root / "backbones"])
    features = all_features(pairs) if any(blender.wants_features for blender in blenders.values()) else None
    by_fold = {}
    for index, folds in folds_of.items():
        stacked = np.full((len(specs), len(pairs), n_outcomes), 1.0 / n_outcomes)
        for place in _used(blenders[index]):
            stacked[place] = np.mean([predicted[specs[place].name, fold] for fold in folds], axis=0)
        blended = blenders[index].predict(stacked, features if blenders[index].wants_features else None)
        by_fold[index] = blended / blended.sum(axis=1, keepdims=True)
    return by_fold


def _used(blender: Blender) -> list[int]:
    return [int(place) for place in np.flatnonzero(blender.used)]


def _predict_once(store: UnlabelledStore, runs: Sequence[Run], pairs: Pairs, backbones: Sequence[Path]) -> ByRun:
    """Return what each fold model predicts, from the store where it has that; one process at a time predicts."""
    predicted = _stored(store, runs)
    if len(predicted) == len(runs):
        return predicted
    with wait_for(store.lease, {"split": store.split.path.name, "unlabelled": store.folder.name}):
        predicted = _stored(store, runs, warn=True)  # which another process may have filled
        missing = [(spec, fold) for spec, fold in runs if (spec.name, fold) not in predicted]
        return predicted | _predict(store, missing, pairs, backbones)


def _stored(store: UnlabelledStore, runs: Sequence[Run], warn: bool = False) -> ByRun:
    """Return what fold models have predicted; what is damaged is left out."""
    stored = {}
    for spec, fold in runs:
        store.split.record(spec, fold)  # a run that is missing or damaged is refused by name
        try:
            values = store.get(spec, fold)
        except StoreError as error:
            if warn:
                log.warning("%s; predicting it again", error.came)
            continue
        if values is not None:
            stored[spec.name, fold] = values
    return stored


def _predict(store: UnlabelledStore, runs: Sequence[Run], pairs: Pairs, backbones: Sequence[Path]) -> ByRun:
    """Return what fold models predict, and keep it; what is stopped goes on from there."""
    unfinished, n_outcomes = Unfinished(store.folder / "unfinished"), store.split.folds.n_outcomes
    folders = [(spec, [_model_folder(store.split, spec, fold)]) for spec, fold in runs]
    models, groups = [], defaultdict(list)  # a group is in memory together: the models of one backbone, or one model
    required = required_backbones(folders, backbones)
    for (spec, fold), (_, (folder,)), names in zip(runs, folders, required, strict=True):
        run, load = store.split.record(spec, fold), partial(load_model, spec, folder, backbones)
        models.append(FoldModel(f"{spec.name} fold {fold}", run.content, load, run))
        groups[tuple(sorted(names)) or (spec.name, fold)].append(models[-1])
    if runs:
        log.info("predicting %s without votes with %s", counted(len(pairs), "pair"), counted(len(runs), "fold model"))
    sums = predict_groups([*groups.values()], [pairs], n_outcomes, unfinished)  # each of one model
    try:
        for (spec, fold), model in zip(runs, models, strict=True):
            store.put(spec, fold, model.key, sums[model.member])
    except OSError as error:
        log.warning("what was predicted is not kept on disk (%s); the next process predicts it again", error)
    unfinished.remove()
    return {(spec.name, fold): sums[model.member] for (spec, fold), model in zip(runs, models, strict=True)}


def _model_folder(split: SplitStore, spec: MemberSpec, fold: int) -> Path:
    """Return the folder of a fold model, whose files are as they were written; StoreError where there is none."""
    if spec.kind is not None and split.has_model(spec, fold):
        return model_folder(split, spec, fold)
    lacks = "is external" if spec.kind is None else f"has no stored model of fold {fold}"
    again = "" if spec.kind is None else ", or train it again (force=true, training.save=fp16)"
    raise StoreError(
        f"{spec.name} {lacks}: it can't label new pairs",
        "members trained here, with a model per fold",
        f"leave teacher.unlabelled out, or blend without {spec.name}{again}",
    )
