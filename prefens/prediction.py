"""Predicting new pairs with stored members and a stored blend; needs the store alone, and may find it read-only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prefens.config import target_class
from prefens.data.load import Loaded
from prefens.errors import StoreError
from prefens.members.base import Member
from prefens.records import Floats, Pairs
from prefens.tracking.oof_store import MemberSpec, SplitStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Predictor:
    """The stored members of one split with a blend's weights.

    Attributes
    ----------
    weights : member name -> weight; members of weight 0 are not loaded.
    backbones : a folder of backbone files that go before the installed ones.
    """

    split: SplitStore
    weights: Mapping[str, float]
    backbones: Path

    def predict_rows(self, loaded: Loaded) -> Floats:
        """Return (n, 3) probabilities for all rows of the input; malformed ones get the class prior."""
        probabilities = np.tile(self.split.folds.prior(), (len(loaded.ids), 1))
        if len(loaded.pairs):
            probabilities[loaded.rows] = self.predict_pairs(loaded.pairs)
        return probabilities

    def predict_pairs(self, pairs: Pairs) -> Floats:
        """Return (n, 3) probabilities: the weighted mean over members of the mean over their fold models."""
        known = {spec.name: spec for spec in self.split.members()}
        total = np.zeros((len(pairs), 3))
        used = {name: weight for name, weight in self.weights.items() if weight > 0}
        missing = sorted(set(used) - set(known))
        if missing:
            raise StoreError(
                f"the blend has members {', '.join(missing)}", f"some of {', '.join(known)}", "blend again"
            )
        for name, weight in used.items():
            log.info("predicting with %s (weight %.3f)", name, weight)
            total += weight * self.member_probabilities(known[name], pairs)
        normalised: Floats = total / total.sum(axis=1, keepdims=True)
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


def blend_weights(blend: Mapping[str, Any], method: str) -> tuple[str, dict[str, float]]:
    """Return a stored blend's method (its best one for "best") and that one's weights by member name."""
    name = blend["best"] if method == "best" else method
    weights = {item["method"]: item["weights"] for item in blend["methods"]}
    if weights.get(name) is None:
        raise StoreError(f"method={method}", f"best, or one of {', '.join(weights)}", "correct it, or blend again")
    return name, weights[name]
