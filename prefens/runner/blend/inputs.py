"""What a blend is made from: members of the store and files of external ones, on one data set and its folds."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from prefens.core.errors import ConfigError
from prefens.core.fold_run import FoldPredictions
from prefens.core.types import Folds, MemberInfo, OOFStack
from prefens.data.fold_file import read_folds
from prefens.data.folds import check_data, data_digest, labelled_rows, split_rows
from prefens.data.labels import read_labels
from prefens.data.outcomes import with_outcomes
from prefens.data.probabilities import read_probabilities
from prefens.data.sources import Source
from prefens.ensemble.inputs import BlendInputs, LabelledData
from prefens.runner.blend.other_split import find_other_split
from prefens.runner.blend.sources import BlendSources, in_words
from prefens.store.assemble import common_rows, make_stack
from prefens.store.external import ExternalMember
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.selection import missing_members, select_members
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)


def load_blend_inputs(sources: BlendSources) -> BlendInputs:
    """Read the members from store and files, and join them by id.

    Raises
    ------
    ConfigError
        Where labels are missing, or settings contradict the store.
    DataError
        Where a file can't be read.
    StoreError
        Where members are missing, damaged or not comparable.
    """
    data = None if sources.source is None else load_data(sources.source, sources.fold_settings.source_column)
    digest = None if data is None else data_digest(data.pairs)
    read = {name: read_probabilities(path, sources.columns[name]) for name, path in sources.files.items()}
    external = [ExternalMember.of(name, *columns) for name, columns in read.items()]
    split = _choose_split(sources, digest)
    n_outcomes = max((member.probabilities.shape[1] for member in external), default=3)
    folds = _make_folds(sources, data, n_outcomes) if split is None else split.folds
    specs, missing = _choose_members(split, sources)
    members: dict[MemberInfo, Sequence[FoldPredictions]] = {
        spec.info: [split.predictions(spec, fold, part="") for fold in range(folds.k)]
        for spec in specs
        if split is not None
    }
    members |= {member.spec(folds).info: member.runs(folds, sources.partial) for member in external}
    keep = common_rows(folds, members) if sources.partial else None
    stacks = make_stack(folds, members, keep)
    other = None if split is None else find_other_split(split, specs)
    return BlendInputs(folds, *stacks, split, specs, data, missing, other)


def load_data(source: Source, source_column: str | None = None) -> LabelledData:
    """Return the labelled pairs of a source, sorted by id as folds are; parameters as in `Source.load`."""
    loaded = source.load(labelled=True, source_column=source_column).sort()
    extra = [with_outcomes(pairs, loaded.pairs.n_outcomes) for pairs in source.load_extra()]
    return LabelledData(loaded.pairs, loaded.repaired, loaded.metadata, loaded.sources, extra)


def _choose_split(sources: BlendSources, data: str | None) -> SplitStore | None:
    """Return the part of the store whose folds count; None where the rows get folds of their own.

    Those are rows with labels in a file, and rows of files alone that the store has no folds of, or that are to have
    those of a file. `data` is the digest of the pairs, if any.
    """
    if sources.labels is not None:
        return None
    store = OOFStore(sources.root)
    if not sources.stored:
        candidates = [split for split in store.splits() if data in (None, split.folds.data_digest)]
        if not candidates or (data is not None and sources.fold_file is not None):
            return None
    if sources.fold_file is not None:
        raise ConfigError("fold_file= with the folds of the store", "one of them", "add labels= or data.path=")
    data_prefix, fold_prefix = sources.digests
    fitting = [split for split in store.splits() if fold_prefix is None and not _other_settings(sources, split)]
    if sources.folds and len(fitting) == 1:  # of several splits, the one with the settings of folds=
        fold_prefix = fitting[0].folds.digest
    split = store.select(data_prefix or (None if sources.stored else data), fold_prefix)
    check_data(split.folds, data)
    other = _other_settings(sources, split)
    if other:
        came, expected = f"{in_words(other)} with the folds of the store", in_words(split.folds.settings)
        raise ConfigError(came, expected, "leave folds out, or train with those")
    if not sources.stored:
        log.info("labels and folds of the store, %s", split.path)
    return split


def _other_settings(sources: BlendSources, split: SplitStore) -> dict[str, Any]:
    """Return the settings of folds that were given and are not those of a part of the store."""
    settings = {name: value for name, value in sources.folds.items() if name != "source_column"}
    return {name: value for name, value in settings.items() if value != split.folds.settings.get(name)}


def _choose_members(split: SplitStore | None, sources: BlendSources) -> tuple[list[MemberSpec], dict[str, str]]:
    """Return the members of the store to blend, and those of the stored blend that are left out unasked."""
    if split is None or not sources.stored:
        return [], {}
    specs = select_members(split, sources.names)
    return specs, {} if sources.names else missing_members(split, specs)


def _make_folds(sources: BlendSources, data: LabelledData | None, n_outcomes: int) -> Folds:
    """Return folds of rows that the store has none of; labels in a file have the outcomes of the members' files."""
    if sources.labels is not None:
        rows = read_labels(sources.labels, n_outcomes)
    elif data is not None:
        rows = labelled_rows(data.pairs, data.metadata.get("source"))
    else:
        raise ConfigError(
            f"no labels: no store in {sources.root}, no labels=, no data.path=",
            "the outcome of each pair",
            "add labels=labels.csv (id, label) or data.path=train.csv, or tracking.root=DIR of a store",
        )
    if sources.fold_file is not None:
        return read_folds(sources.fold_file, rows)
    try:
        folds = split_rows(rows, sources.fold_settings)
    except ConfigError as error:
        came = error.came if sources.labels is None else f"{sources.labels}: {error.came}"
        raise ConfigError(came, error.expected, error.do) from error
    scheme, seed = folds.settings["scheme"], folds.settings["seed"]
    log.info("%d rows in %d %s folds, seed %d", len(rows.ids), folds.k, scheme, seed)
    return folds


def with_features(inputs: BlendInputs) -> BlendInputs:
    """Return the members with the style features of their pairs, for blenders that look at pairs too.

    Without the pairs, nothing is added: the blender says what it lacks.
    """
    from prefens.members.style import all_features

    pairs, holdout = inputs.pairs, inputs.holdout
    if pairs is None:
        return inputs
    place = {id_: row for row, id_ in enumerate(pairs.ids)}

    def added(stack: OOFStack) -> OOFStack:
        rows = np.array([place[id_] for id_ in stack.folds.ids])
        return replace(stack, features=all_features(pairs.take(rows)))

    return replace(inputs, stack=added(inputs.stack), holdout=None if holdout is None else added(holdout))
