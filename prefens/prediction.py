"""Predicting new pairs with a fitted blend, by stored members (the store may be read-only) or members' files."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prefens.config import target_class
from prefens.data.load import Loaded
from prefens.data.probabilities import read_probabilities
from prefens.ensemble.base import Blender
from prefens.ensemble.methods import restore
from prefens.errors import ConfigError, DataError, StoreError
from prefens.members.base import Member
from prefens.members.style import all_features
from prefens.records import Floats, Outcome, Pairs, Strings
from prefens.tracking.oof_store import MemberSpec, SplitStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Predictor:
    """The stored members of one split with a fitted blender.

    Attributes
    ----------
    members : names, in the order that the blender was fitted on; those it does not use are not loaded.
    backbones : a folder of backbone files that go before the installed ones.
    """

    split: SplitStore
    members: Sequence[str]
    blender: Blender
    backbones: Path

    def predict_rows(self, loaded: Loaded) -> Floats:
        """Return (n, 3) probabilities for all rows of the input; malformed ones get the class prior."""
        probabilities = np.tile(self.split.folds.prior(), (len(loaded.ids), 1))
        if len(loaded.pairs):
            probabilities[loaded.rows] = self.predict_pairs(loaded.pairs)
        return probabilities

    def predict_pairs(self, pairs: Pairs) -> Floats:
        """Return (n, 3) probabilities: the blend of the members' means over their fold models."""
        known = {spec.name: spec for spec in self.split.members()}
        used = used_members(self.members, self.blender)
        missing = sorted(set(used) - set(known))
        if missing:
            raise StoreError(
                f"the blend has members {', '.join(missing)}", f"some of {', '.join(known)}", "blend again"
            )
        stacked = np.full((len(self.members), len(pairs), len(Outcome)), 1.0 / len(Outcome))
        for place, name in enumerate(self.members):
            if name in used:
                log.info("predicting with %s", name)
                stacked[place] = self.member_probabilities(known[name], pairs)
        return _normalised(self.blender.predict(stacked, all_features(pairs) if self.blender.wants_features else None))

    def member_probabilities(self, spec: MemberSpec, pairs: Pairs) -> Floats:
        """Return the (n, 3) mean of a member's fold models."""
        models = [self._load(spec, fold) for fold in range(self.split.folds.k)]
        mean: Floats = np.mean([model.predict_proba(pairs) for model in models], axis=0)
        return mean

    def _load(self, spec: MemberSpec, fold: int) -> Member:
        directory = self.split.fold_dir(spec.name, fold) / "model"
        kind = target_class({"_target_": spec.target})
        if not issubclass(kind, Member):
            raise StoreError(
                f"{spec.name} was made by {spec.target}",
                "a subclass of prefens.members.base.Member",
                "restore member.json",
            )
        if not any(directory.glob("*")):
            raise StoreError(
                f"{directory}: no stored model",
                "one per fold",
                "train the member again (force=true, training.save=fp16)",
            )
        member: Member = kind.load(directory, self.backbones)
        return member


def refuse_foreign(blend: Mapping[str, Any], used: Sequence[str]) -> None:
    """StoreError where a blend uses members made elsewhere: there are no models of theirs to predict with."""
    foreign = [member["member"] for member in blend["members"] if member["backbone"] is None]
    found = sorted(set(foreign) & set(used))
    if found:
        raise StoreError(
            f"the blend uses {', '.join(found)}, made elsewhere",
            "members with stored models: predictions of test pairs by these come from where they were made",
            f"give them: 'members={{{found[0]}: test.csv, ...}}' blend=blend.json; or blend without them",
        )


def stored_blender(blend: Mapping[str, Any], method: str) -> tuple[str, list[str], Blender]:
    """Return a stored blend's method (its best one for "best"), its members in order, and the fitted blender."""
    name = blend["best"] if method == "best" else method
    states = {item["method"]: item["state"] for item in blend["methods"]}
    if name not in states:
        raise StoreError(f"method={method}", f"best, or one of {', '.join(states)}", "correct it, or blend again")
    return name, [member["member"] for member in blend["members"]], restore(states[name])


def used_members(members: Sequence[str], blender: Blender) -> list[str]:
    """Return the names of the members whose predictions the blend needs."""
    return [name for name, needed in zip(members, blender.used, strict=True) if needed]


def read_blend(path: str | None, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the content of a blend.json; ConfigError where it is not there, or no files of members are."""
    if path is None or not Path(path).is_file() or not files:
        raise ConfigError(
            f"blend={path}, {len(files)} members", "blend=blend.json and 'members={name: test.csv, ...}'", "give both"
        )
    found: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
    return found


def predict_files(
    blender: Blender, members: Sequence[str], files: Mapping[str, str], columns: Mapping[str, str] | None = None
) -> tuple[Strings, Floats]:
    """Blend the members' predictions of test pairs that are in files; needs no store.

    Parameters
    ----------
    members : names, in the order that the blender was fitted on.
    files : member -> CSV or parquet of the same ids; columns as in `read_probabilities`.

    Returns
    -------
    (n,) ids in the order of the first file, and (n, 3) probabilities.
    """
    used = used_members(members, blender)
    missing, unknown = sorted(set(used) - set(files)), sorted(set(files) - set(members))
    if missing or unknown:
        raise ConfigError(
            f"members= lacks {', '.join(missing) or 'none'}, unknown: {', '.join(unknown) or 'none'}",
            f"a file for each of {', '.join(used)}",
            f"correct it: 'members={{{used[0]}: test.csv, ...}}'",
        )
    read = {name: read_probabilities(Path(path), columns) for name, path in files.items()}
    ids, _ = next(iter(read.values()))
    stacked = np.full((len(members), len(ids), len(Outcome)), 1.0 / len(Outcome))
    for name, (given, values) in read.items():
        place = {id_: row for row, id_ in enumerate(given)}
        lacking = len(set(ids) - place.keys())
        if lacking or len(given) != len(ids):
            told = f"{files[name]}: {len(given)} ids, {lacking} of the first file's {len(ids)} missing"
            raise DataError(told, "the same ids in each file", "correct the file")
        stacked[members.index(name)] = values[[place[id_] for id_ in ids]]
    return ids, _normalised(blender.predict(stacked))


def _normalised(blended: Floats) -> Floats:
    normalised: Floats = blended / blended.sum(axis=1, keepdims=True)
    return normalised
