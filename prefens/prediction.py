"""Predicting new pairs with stored members and a stored blend; needs the store alone, and may find it read-only."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prefens.config import target_class
from prefens.data.load import Loaded
from prefens.ensemble.base import Blender
from prefens.ensemble.methods import restore
from prefens.errors import StoreError
from prefens.members.base import Member
from prefens.members.style import all_features
from prefens.records import Floats, Outcome, Pairs
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
        used = [name for name, needed in zip(self.members, self.blender.used, strict=True) if needed]
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
        blended = self.blender.predict(stacked, all_features(pairs) if self.blender.wants_features else None)
        normalised: Floats = blended / blended.sum(axis=1, keepdims=True)
        return normalised

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


def stored_blender(blend: Mapping[str, Any], method: str) -> tuple[str, list[str], Blender]:
    """Return a stored blend's method (its best one for "best"), its members in order, and the fitted blender."""
    name = blend["best"] if method == "best" else method
    states = {item["method"]: item["state"] for item in blend["methods"]}
    if name not in states:
        raise StoreError(f"method={method}", f"best, or one of {', '.join(states)}", "correct it, or blend again")
    return name, [member["member"] for member in blend["members"]], restore(states[name])
