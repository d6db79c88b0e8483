"""Predicting with a fitted blend from files of its members' predictions; needs no store and no models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prefens.core.errors import ConfigError, DataError
from prefens.core.types import Floats, Strings
from prefens.data.probabilities import read_probabilities
from prefens.inference.predictor import stored_blender


def predict_files(
    blend: str | None, method: str, files: Mapping[str, str], columns: Mapping[str, Mapping[str, str]]
) -> tuple[Strings, Floats, str, list[str]]:
    """Blend members' predictions of test pairs that are in files.

    Parameters
    ----------
    blend : a blend.json; method : of it, or "best".
    files : member -> CSV or parquet of the same ids; columns : member -> names, as in `read_probabilities`.

    Returns
    -------
    (n,) ids in the order of the first file, (n, K) probabilities, the method's name and the members it used.
    """
    if blend is None or not Path(blend).is_file() or not files:
        raise ConfigError(
            f"blend={blend}, {len(files)} members", "blend=blend.json and 'members={name: test.csv, ...}'", "give both"
        )
    name, members, blender = stored_blender(_read(Path(blend)), method)
    used = [member for member, needed in zip(members, blender.used, strict=True) if needed]
    missing, unknown = sorted(set(used) - set(files)), sorted(set(files) - set(members))
    if missing or unknown:
        raise ConfigError(
            f"members= lacks {', '.join(missing) or 'none'}, unknown: {', '.join(unknown) or 'none'}",
            f"a file for each of {', '.join(used)}",
            f"correct it: 'members={{{used[0]}: test.csv, ...}}'",
        )
    if blender.wants_features:
        raise ConfigError(
            f"{name} looks at the pairs too", "a method of the members alone", "set method=, or blend again"
        )
    ids, stacked = _joined(members, files, columns)
    blended = blender.predict(stacked)
    normalised: Floats = blended / blended.sum(axis=1, keepdims=True)
    return ids, normalised, name, used


def _read(path: Path) -> dict[str, Any]:
    """Read a blend.json; ConfigError for a file that is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}", "the blend.json of a blend", "correct blend=") from error
    if not isinstance(found, dict) or not {"best", "methods", "members"} <= set(found):
        raise ConfigError(f"{path}: no best, methods and members", "the blend.json of a blend", "correct blend=")
    return found


def _joined(
    members: list[str], files: Mapping[str, str], columns: Mapping[str, Mapping[str, str]]
) -> tuple[Strings, Floats]:
    """Return the first file's ids, and (M, n, K) probabilities; members without a file are uniform."""
    read = {name: read_probabilities(Path(path), columns[name]) for name, path in files.items()}
    ids, first = next(iter(read.values()))
    outcomes = first.shape[1]
    stacked = np.full((len(members), len(ids), outcomes), 1.0 / outcomes)
    for name, (given, values) in read.items():
        place = {id_: row for row, id_ in enumerate(given)}
        lacking = len(set(ids) - place.keys())
        if lacking or len(given) != len(ids):
            told = f"{files[name]}: {len(given)} ids, {lacking} of the first file's {len(ids)} missing"
            raise DataError(told, "the same ids in each file", "correct the file")
        stacked[members.index(name)] = values[[place[id_] for id_ in ids]]
    return ids, stacked
