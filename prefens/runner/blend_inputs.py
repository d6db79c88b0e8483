"""What a blend is made from: members of the store and files from elsewhere, on one data set and its folds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from prefens.core.errors import ConfigError, StoreError
from prefens.core.fold_run import FoldPredictions
from prefens.core.hashing import digest, short
from prefens.core.types import Folds, MemberInfo, OOFStack
from prefens.data.fold_file import read_folds
from prefens.data.folds import FoldSettings, LabelledRows, data_digest, labelled_rows, split_rows
from prefens.data.labels import read_labels
from prefens.data.probabilities import read_probabilities
from prefens.data.sources import Source
from prefens.ensemble.inputs import BlendInputs, LabelledData
from prefens.runner import config
from prefens.runner.schemas import BlendConfig
from prefens.store.assemble import common_rows, make_stack
from prefens.store.external import ExternalMember
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.factory import Tracking

log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".parquet", ".pq")  # by which a member is told to be a file


def load_blend_inputs(settings: BlendConfig) -> BlendInputs:
    """Read the members that the settings name, from store and files, and join them by id."""
    files = [Path(name) for name in settings.members if is_file(name)]
    names = [name for name in settings.members if not is_file(name)]
    stored = bool(names) or not files
    folds, split, given = find_folds(settings, stored)
    members: dict[MemberInfo, Sequence[FoldPredictions]] = {}
    specs = complete_members(split, names) if split is not None and stored else []
    for spec in specs:
        members[spec.info] = [split.predictions(spec, fold) for fold in range(folds.k)]  # type: ignore[union-attr]
    columns = config.columns_of([path.stem for path in files], settings.columns)
    for path in files:
        member = read_member(path, columns[path.stem])
        if member.name in {info.name for info in members}:
            raise ConfigError(f"two members are called {member.name}", "a name for each", f"rename {path}")
        members[member.spec(folds).info] = member.runs(folds, settings.partial)
    keep = common_rows(folds, members) if settings.partial else None
    return BlendInputs(folds, *make_stack(folds, members, keep), split, specs, given)


def is_file(name: str) -> bool:
    """Whether an item of members= is a file, rather than the name of a stored member."""
    return Path(name).suffix.lower() in SUFFIXES


def read_member(path: Path, columns: Mapping[str, str], name: str | None = None) -> ExternalMember:
    """Read probabilities made elsewhere; the member is called by the file's stem, unless by `name`."""
    ids, probabilities = read_probabilities(path, columns)
    order = np.argsort(ids)
    content = digest([ids[order].tolist(), probabilities[order].tolist()])
    return ExternalMember(path.stem if name is None else name, content, ids, probabilities)


def find_folds(settings: BlendConfig, stored: bool) -> tuple[Folds, SplitStore | None, LabelledData | None]:
    """Return the folds to blend on, the part of the store that they are from, if any, and the pairs, if given.

    Labels from a file come first, then the store, then folds made of data=. With `stored`, members of the store
    are blended, and only its folds will do.
    """
    if settings.labels is not None:
        if "path" not in settings.data or settings.data.path is not None:
            raise ConfigError(
                "labels= with data=", "one of them", "leave labels= out: the data has labels, and prompts"
            )
        if stored:
            raise ConfigError(
                "labels= with members of the store", "files in members=", "leave labels= or the names out"
            )
        return _make_folds(settings, read_labels(Path(settings.labels))), None, None
    store = OOFStore(Path(config.build(settings.tracking, Tracking).root))
    given = given_data(settings.data)
    digest = None if given is None else data_digest(given.pairs)
    if stored or not _needs_own_folds(settings, store, digest):
        if settings.fold_file is not None:
            raise ConfigError("fold_file= with the folds of the store", "one of them", "add labels= or data.path=")
        split = store.select(settings.data_digest or (None if stored else digest), settings.fold_digest)
        check_data(split.folds, digest)
        _check_folds(split.folds, _asked(settings))
        if not stored:
            log.info("labels and folds of the store, %s", split.path)
        return split.folds, split, given
    if given is None:
        raise ConfigError(
            f"no labels: no store in {store.root}, no labels=, no data.path=",
            "the outcome of each pair",
            "add labels=labels.csv (id, label) or data.path=train.csv, or tracking.root=DIR of a store",
        )
    return _make_folds(settings, labelled_rows(given.pairs)), None, given


def _needs_own_folds(settings: BlendConfig, store: OOFStore, digest: str | None) -> bool:
    """Whether files alone get folds of their own, since the store has none of their data or others were asked for."""
    splits = store.splits()
    if digest is None:
        return not splits
    return settings.fold_file is not None or not any(split.folds.data_digest == digest for split in splits)


def _make_folds(settings: BlendConfig, rows: LabelledRows) -> Folds:
    asked = _asked(settings)
    if settings.fold_file is not None:
        if asked:
            raise ConfigError(f"fold_file= with {_told(asked)}", "one of them", "leave out what does not count")
        return read_folds(Path(settings.fold_file), rows)
    folds = split_rows(rows, config.build(asked, FoldSettings))
    about = folds.settings
    log.info("%d rows in %d %s folds, seed %d", len(rows.ids), folds.k, about["scheme"], about["seed"])
    return folds


def _asked(settings: BlendConfig) -> dict[str, Any]:
    """Return the fold settings that were given."""
    return {name: value for name, value in settings.folds.items() if value is not None}


def _told(about: Mapping[str, Any]) -> str:
    return ", ".join(f"folds.{name}={value}" for name, value in about.items())


def _check_folds(folds: Folds, asked: Mapping[str, Any]) -> None:
    """Refuse settings of folds that the members of the store don't have."""
    other = {name: value for name, value in asked.items() if value != folds.settings.get(name)}
    if other:
        raise ConfigError(
            f"{_told(other)} with the folds of the store", _told(folds.settings), "leave folds out, or train with those"
        )


def given_data(data: Any) -> LabelledData | None:
    """Return the labelled pairs of data=, sorted by id as folds are, or None where no path is given."""
    if "path" in data and data.path is None:
        return None
    source: Source = config.build(data)
    loaded = source.load(labelled=True)
    return LabelledData(loaded.pairs.take(np.argsort(loaded.pairs.ids)), loaded.repaired)


def check_data(folds: Folds, given: str | None) -> None:
    """Refuse (StoreError) pairs whose digest is `given` and not that of the folds."""
    if given is not None and given != folds.data_digest:
        raise StoreError(
            f"the pairs given: data {short(given)}", f"data {short(folds.data_digest)}, as stored", "correct data.path"
        )


def complete_members(split: SplitStore, names: Sequence[str]) -> list[MemberSpec]:
    """Return the members to blend: those named, or every complete one; incomplete ones are told."""
    specs = list(split.members())
    unknown = sorted(set(names) - {spec.name for spec in specs})
    if unknown:
        raise StoreError(
            f"no member {', '.join(unknown)}",
            f"names among {', '.join(spec.name for spec in specs)}, or files ({', '.join(SUFFIXES)})",
            "correct members=",
        )
    chosen = []
    for spec in specs:
        missing = sorted(set(range(split.folds.k)) - set(split.finished_folds(spec)))
        if spec.name in names and missing:
            raise StoreError(
                f"member {spec.name} lacks folds {missing}", "all folds", "train them, or leave the member out"
            )
        if missing:
            log.warning("left out: %s lacks folds %s", spec.name, missing)
        elif not names or spec.name in names:
            chosen.append(spec)
    return chosen


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
