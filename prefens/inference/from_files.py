"""Predicting with a fitted blend from files of its members' predictions, without a store and without models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from prefens.core.errors import ConfigError, DataError, counted
from prefens.core.types import Floats, Strings
from prefens.data.probabilities import read_probabilities
from prefens.ensemble.decision import Decision
from prefens.inference.fitted_blender import stored_blender


def predict_files(
    blend: str | None, method: str, files: Mapping[str, str], columns: Mapping[str, Mapping[str, str]]
) -> tuple[Strings, Floats, str, list[str], Decision]:
    """Blend members' predictions of test pairs that are in files.

    Parameters
    ----------
    blend : str or None
        Path of a blend.json.
    method : str
        A method of this blend, or "best".
    files : dict of str to str
        From a member to a CSV or parquet file; all files have the same ids.
    columns : dict of str to dict of str to str
        From a member to its file's names of the columns, as in `read_probabilities`.

    Returns
    -------
    ids : ndarray of shape (n,)
        In the order of the first file.
    probabilities : ndarray of shape (n, K)
        The blend's predictions.
    method : str
        Name of the method.
    members : list of str
        The members that it used.
    decision : Decision
        From its probabilities to one outcome.

    Raises
    ------
    ConfigError
        If blend.json or files are not given, if members lack a file or are unknown, or if the method
        needs the texts of the pairs.
    DataError
        If a file is malformed or has other ids than the first one.
    StoreError
        If blend.json is not the file of a blend (each wrong field is named), or if it has no such method.
    """
    if blend is None or not Path(blend).is_file() or not files:
        raise ConfigError(
            f"blend={blend}, {counted(len(files), 'member')}",
            "blend=blend.json and 'members={name: test.csv, ...}'",
            "give both",
        )
    stored = stored_blender(Path(blend), method)
    name, members, blender = stored.name, stored.members, stored.blender
    used = [member for member, is_used in zip(members, blender.used, strict=True) if is_used]
    missing, unknown = sorted(set(used) - set(files)), sorted(set(files) - set(members))
    if missing or unknown:
        raise ConfigError(
            f"members= lacks {', '.join(missing) or 'none'}, unknown to {blend}: {', '.join(unknown) or 'none'}",
            f"a file for each of {', '.join(used) or 'its members'}",
            f"correct it: 'members={{{members[0]}: test.csv, ...}}'",
        )
    if blender.wants_features:
        raise ConfigError(
            f"{name} looks at the pairs too", "a method of the members alone", "set method=, or blend again"
        )
    ids, stacked = _read_members(members, files, columns, blender.n_outcomes)
    blended = blender.predict(stacked)
    normalized: Floats = blended / blended.sum(axis=1, keepdims=True)
    return ids, normalized, name, used, stored.decision


def _read_members(
    members: Sequence[str], files: Mapping[str, str], columns: Mapping[str, Mapping[str, str]], n_outcomes: int
) -> tuple[Strings, Floats]:
    """Return the first file's ids, and (M, n, K) probabilities; members without a file are uniform."""
    contents = {name: read_probabilities(Path(path), columns[name]) for name, path in files.items()}
    ids, _ = next(iter(contents.values()))
    for name, (_, values) in contents.items():
        if values.shape[1] != n_outcomes:
            came = f"{files[name]}: {values.shape[1]} outcomes"
            raise DataError(came, f"{n_outcomes}, those of the blend", "give predictions of its own kind of data")
    stacked = np.full((len(members), len(ids), n_outcomes), 1.0 / n_outcomes)
    for name, (own_ids, values) in contents.items():
        place = {id_: row for row, id_ in enumerate(own_ids)}
        missing = len(set(ids) - place.keys())
        if missing or len(own_ids) != len(ids):
            came = f"{files[name]}: {counted(len(own_ids), 'id')}, {missing} of the first file's {len(ids)} missing"
            raise DataError(came, "the same ids in each file", "correct the file")
        stacked[members.index(name)] = values[[place[id_] for id_ in ids]]
    return ids, stacked
