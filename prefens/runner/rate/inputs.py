"""Whose outcomes rate the models: the votes, and the honest predictions of a blend, its members, or files."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prefens.core.errors import ConfigError, DataError, counted
from prefens.core.types import Floats, Pairs, Strings
from prefens.data.folds import check_data, data_digest, prompt_groups
from prefens.data.probabilities import read_probabilities
from prefens.ensemble.blend import Blend
from prefens.ensemble.files.blend_files import blend_tags, read_blend
from prefens.runner import config
from prefens.runner.blend.inputs import load_data
from prefens.runner.blend.sources import data_source
from prefens.runner.schemas import RateConfig
from prefens.store.oof_store import OOFStore

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RatingInputs:
    """Whose outcomes rate the models.

    Attributes
    ----------
    pairs : Pairs
        n labelled pairs with their models.
    group : array of str, shape (n,)
        Their prompt groups.
    predictions : mapping of str to array, shape (n, K)
        From a predictor to its probabilities.
    tags : mapping of str to str
        What MLflow finds the run of the blend by, or the data where there is none.
    """

    pairs: Pairs
    group: Strings
    predictions: Mapping[str, Floats]
    tags: Mapping[str, str]


def load_rating_inputs(settings: RateConfig, root: Path) -> RatingInputs:
    """Return the pairs, with the predictions of a blend and of files.

    Of a blend's pairs those are rated that were blended, so that votes and predictions speak of the same ones.

    Raises
    ------
    ConfigError
        Where there are no pairs, or where a name is none of the blend's.
    DataError
        Where a file can't be read or lacks pairs.
    StoreError
        Where the blend is damaged or has other pairs.
    """
    source = data_source(settings.data)
    if source is None:
        raise ConfigError("no data.path", "labelled pairs with model_a and model_b", "add data.path=train.csv")
    names, files = config.members_of(settings.predictors)
    columns = config.columns_of(files, settings.columns)
    pairs = load_data(source).pairs
    digest = data_digest(pairs)
    blend = find_blend(settings, root, digest)
    predictions: dict[str, Floats] = {}
    if blend is not None and (names or not files):
        pairs = pairs.take(np.isin(pairs.ids.astype(str), blend.stack.folds.ids.astype(str)))
        predictions = {name: take(*own, pairs.ids, name) for name, own in blend_predictions(blend, names).items()}
    elif names:
        came = f"predictors={','.join(names)} without a blend of these pairs in {root}"
        raise ConfigError(came, "the blend whose members and methods they are", "blend first, or give blend=")
    for name, path in files.items():
        predictions[name] = take(*read_probabilities(Path(path), columns[name]), pairs.ids, path)
    tags = {"prefens.data_digest": digest} if blend is None else blend_tags(blend)
    return RatingInputs(pairs, prompt_groups(pairs), predictions, tags)


def find_blend(settings: RateConfig, root: Path, digest: str) -> Blend | None:
    """Return the blend of the pairs with this data digest: that of blend=, the stored one, or None."""
    if settings.blend is not None:
        blend = read_blend(Path(settings.blend))
    else:
        store = OOFStore(root)
        if not any(split.has_blend() and split.folds.data_digest == digest for split in store.splits()):
            log.info("the votes alone are rated: no blend of these pairs in %s", root)
            return None
        blend = read_blend(store.select(settings.data_digest or digest, settings.fold_digest).find_blend())
    check_data(blend.folds, digest)
    return blend


def blend_predictions(blend: Blend, names: Sequence[str]) -> dict[str, tuple[Strings, Floats]]:
    """Return ids and honest probabilities by the names of members and methods; without names, of the best method.

    best is the name of the best method too.
    """
    own = dict(zip(blend.names, blend.stack.probabilities, strict=True))
    own |= {result.method: result.probabilities for result in blend.results}
    names = [blend.best.method if name == "best" else name for name in names or ["best"]]
    unknown = [name for name in names if name not in own]
    if unknown:
        raise ConfigError(
            f"predictors={','.join(unknown)}", f"best, or names among {', '.join(own)}", "correct predictors="
        )
    return {name: (blend.stack.folds.ids, own[name]) for name in names}


def take(ids: Strings, probabilities: Floats, wanted: Strings, name: str) -> Floats:
    """Return the probabilities of the wanted ids, in their order; DataError where some are missing."""
    position = {id_: row for row, id_ in enumerate(ids)}
    missing = [id_ for id_ in wanted if id_ not in position]
    if missing:
        came = f"{name}: no probabilities of {counted(len(missing), 'pair')}, such as id {missing[0]}"
        raise DataError(came, f"those of all {len(wanted)} pairs", "add them, or rate the pairs that it has")
    return np.asarray(probabilities[[position[id_] for id_ in wanted]], dtype=np.float64)
