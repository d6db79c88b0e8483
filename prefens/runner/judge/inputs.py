"""The benchmark, and the verdicts of judges on it: of the stored blend, its members, a saved model, or files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from prefens.core.errors import ConfigError, DataError, counted
from prefens.core.types import Floats, Pairs, Strings
from prefens.data.folds import data_digest, prompt_groups
from prefens.data.probabilities import read_probabilities
from prefens.data.raw.read import read_table
from prefens.data.sources import FileSource, Source
from prefens.ensemble.files.blend_files import blend_tags, read_blend
from prefens.ensemble.judging.benchmark import Benchmark, make_benchmark
from prefens.inference.predictor import Predictor
from prefens.inference.saved_model import find_predictor
from prefens.inference.scorer import member_predictor
from prefens.inference.unfinished import Unfinished
from prefens.runner import config
from prefens.runner.blend.inputs import load_data
from prefens.runner.blend.sources import data_source
from prefens.runner.rate.inputs import blend_predictions, take
from prefens.runner.schemas import JudgeConfig
from prefens.store.oof_store import OOFStore
from prefens.store.tracking.factory import Tracking

log = logging.getLogger(__name__)

SUBSETS = ("subset", "source")  # columns that name the part of a benchmark: of RewardBench, of JudgeBench
UNFINISHED = "judge.unfinished"  # the folder below out=DIR of what models had predicted when they were stopped
SWAPPED = "-swapped"  # what the id of a pair ends in where a judge saw B first


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What one judge says of n pairs.

    Attributes
    ----------
    probabilities : array, shape (n, K)
        Its probabilities.
    swapped : array, shape (n, K), or None
        Those of the pairs with A and B exchanged.
    """

    probabilities: Floats
    swapped: Floats | None = None


@dataclass(frozen=True, eq=False)
class JudgeInputs:
    """What judges are measured on and by.

    Attributes
    ----------
    benchmark : Benchmark
        The labelled pairs.
    verdicts : dict of str to Verdicts
        From a judge to what it says.
    tags : dict of str to str
        What MLflow finds the run of the blend by, or the benchmark where none was made of it.
    unfinished : Unfinished
        What models have predicted, to be removed once the scores are written.
    notes : list of str
        What limits the scores.
    """

    benchmark: Benchmark
    verdicts: dict[str, Verdicts]
    tags: dict[str, str]
    unfinished: Unfinished
    notes: list[str] = field(default_factory=list)


def load_judge_inputs(settings: JudgeConfig, tracking: Tracking) -> JudgeInputs:
    """Return the benchmark, and what each judge says of it.

    Raises
    ------
    ConfigError
        Where there are no pairs, or no such member or method.
    DataError
        Where a file can't be read or lacks pairs.
    StoreError
        Where there is no blend or saved model, or a damaged one.
    Stopped
        Where the process was asked to stop, or its time budget is spent; what models have predicted is kept.
    """
    source = data_source(settings.data)
    if source is None:
        raise ConfigError("no data.path", "a benchmark: pairs with their winners", "add data.path=FILE")
    names, files = config.members_of(settings.predictors)
    columns = config.columns_of(files, settings.columns)
    subset_column = find_subset_column(source, settings.subset_column)
    data = load_data(source, subset_column)
    by_source = subset_column is not None or len({*data.metadata["source"]}) > 1
    pairs, subset = data.pairs, data.metadata["source"] if by_source else None
    verdicts: dict[str, Verdicts] = {}
    notes: list[str] = []
    tags, unfinished = {"prefens.data_digest": data_digest(pairs)}, Unfinished()
    if names or not files:
        unfinished = Unfinished(Path(settings.out) / UNFINISHED)
        own = _own_verdicts(settings, tracking, pairs, names, unfinished)
        tags, notes = own.tags or tags, own.notes
        keep = np.isin(pairs.ids.astype(str), own.ids.astype(str))
        pairs, subset = pairs.take(keep), None if subset is None else subset[keep]
        verdicts = {name: Verdicts(take(own.ids, each, pairs.ids, name)) for name, each in own.probabilities.items()}
    for name, path in files.items():
        verdicts[name] = read_verdicts(Path(path), columns[name], pairs.ids)
    return JudgeInputs(make_benchmark(pairs, subset), verdicts, tags, unfinished, notes)


def find_subset_column(source: Source, name: str | None) -> str | None:
    """Return the column that names the subset of each row: the one asked for, or one of `SUBSETS` without gaps."""
    if name is not None or not isinstance(source, FileSource):
        return name
    tables = [read_table(Path(path), (), SUBSETS) for path in source.path]
    for column in SUBSETS:
        if all(column in table.columns for table in tables):
            cells = [cell for table in tables for piece in table.columns[column] for cell in piece.to_pylist()]
            if all(cell is not None and str(cell).strip() for cell in cells):
                return column
            log.info("the column %s has gaps, so nothing is shown by subset", column)
    return None


def read_verdicts(path: Path, columns: dict[str, str], ids: Strings) -> Verdicts:
    """Read a judge's probabilities of pairs, and of the swapped pairs where it has all of those.

    Raises
    ------
    DataError
        Where the file can't be read, lacks pairs, or has some of the swapped pairs alone.
    """
    own, probabilities = read_probabilities(path, columns)
    swapped = np.array([f"{id_}{SWAPPED}" for id_ in ids], dtype=object)
    has = np.isin(swapped.astype(str), own.astype(str))
    if has.any() and not has.all():
        came = f"{path}: {has.sum()} of {len(has)} ids again with {SWAPPED}"
        raise DataError(came, "all pairs in both orders, or none", "add those that are missing")
    both = take(own, probabilities, swapped, str(path)) if has.all() else None
    return Verdicts(take(own, probabilities, ids, str(path)), both)


@dataclass(frozen=True, eq=False)
class _Own:
    ids: Strings
    probabilities: dict[str, Floats]
    notes: list[str]
    tags: dict[str, str] | None = None  # of the blend, where it was made of these pairs


def _own_verdicts(
    settings: JudgeConfig, tracking: Tracking, pairs: Pairs, names: Sequence[str], unfinished: Unfinished
) -> _Own:
    """Return what members and methods say of the pairs: their honest predictions where these were blended."""
    digest, store = data_digest(pairs), OOFStore(Path(tracking.root))
    if settings.model is None and any(each.has_blend() and each.folds.data_digest == digest for each in store.splits()):
        blend = read_blend(store.select(digest, settings.fold_digest).find_blend())
        own = blend_predictions(blend, names)
        note = "The blend was made of these pairs: its honest predictions are judged."
        honest = {name: each for name, (_, each) in own.items()}
        return _Own(blend.stack.folds.ids, honest, [note], blend_tags(blend))
    predictors = [_predictor(settings, tracking, name) for name in names or ["best"]]
    notes = []
    if settings.model is None:
        groups = store.predicting(settings.data_digest, settings.fold_digest).folds.group
        count = int(np.isin(prompt_groups(pairs).astype(str), groups.astype(str)).sum())
        if count:
            notes.append(
                f"The members were trained on the prompt of {count} of {counted(len(pairs), 'pair')}: too good there."
            )
    rows = pairs.unlabelled()
    return _Own(pairs.ids, {each.method: each.predict_pairs(rows, unfinished) for each in predictors}, notes)


def _predictor(settings: JudgeConfig, tracking: Tracking, name: str) -> Predictor:
    """Return the predictor of a member, or of a method of the blend."""
    folders = config.backbone_folders(settings.backbones)
    digests = settings.data_digest, settings.fold_digest
    if name == "best" or settings.model is not None:
        predictor = find_predictor(tracking, settings.model, "best", *digests, folders)
        return predictor if name in ("best", predictor.method) else member_predictor(predictor, name)
    return find_predictor(tracking, None, name, *digests, folders)
