"""Giving up, after its first fold, a member that can't help the blend of the members so far."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from prefens.core.files import write_json
from prefens.ensemble.complementarity import MarginalGain, marginal_gain
from prefens.store.assemble import make_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)

VERDICT = "race.json"  # beside the member's folds


@dataclass(frozen=True)
class Race:
    """A race against the complete members of a part of the store.

    Attributes
    ----------
    least : gain in nats that a member must have within reach, above 0; see `ensemble.complementarity.marginal_gain`.

    The numbers of a member's first finished fold are written beside its folds and are judged anew by each command's
    own `least`, so that the same command gives up the same members whatever has been trained since.
    """

    split: SplitStore
    least: float

    def lost(self, spec: MemberSpec) -> bool:
        """Whether the member is given up; False while it has no finished fold or nobody to race against."""
        known = read_race(self.split, spec)
        race = self._run(spec) if known is None else known
        if race is None:
            return False
        lost = not MarginalGain(race["gain"], race["low"], race["high"]).helps(self.least)
        if known is None or known["lost"] != lost:
            self._write(spec, {**race, "least": self.least, "lost": lost, "time": time.time()})
        return lost

    def _run(self, spec: MemberSpec) -> dict[str, Any] | None:
        """Race the member's first finished fold; None without one, where nothing is left to give up, or alone."""
        finished = [fold for fold in self._folds if self._whole(spec, fold)]
        rivals = [other for other in self.split.members() if other.name != spec.name and self._complete(other)]
        if not rivals or not 0 < len(finished) < self.split.folds.k:
            return None
        runs = {other.info: [self.split.predictions(other, fold) for fold in self._folds] for other in rivals}
        fold = finished[0]
        found = marginal_gain(
            make_stack(self.split.folds, runs)[0], self.split.predictions(spec, fold).probabilities, fold
        )
        names = [other.name for other in rivals]
        return {"gain": found.gain, "low": found.low, "high": found.high, "fold": fold, "rivals": names}

    def _write(self, spec: MemberSpec, race: Mapping[str, Any]) -> None:
        write_json(self.split.member_dir(spec.name) / VERDICT, race)
        log.info(
            "%s %s: mixed into the blend of %d members it gains %.4f nats on fold %d, 95 %% interval %.4f to %.4f "
            "(race=%g)",
            spec.name, "is given up" if race["lost"] else "stays in the race", len(race["rivals"]), race["gain"],
            race["fold"], race["low"], race["high"], race["least"],
        )  # fmt: skip

    @property
    def _folds(self) -> range:
        return range(self.split.folds.k)

    def _complete(self, spec: MemberSpec) -> bool:
        return all(self._whole(spec, fold) for fold in self._folds)

    def _whole(self, spec: MemberSpec, fold: int) -> bool:
        """Whether a fold run is there, under its key and without damage, which is left to whoever trains it."""
        return self.split.damage(spec, fold) is None and self.split.has(spec, fold)


def read_race(split: SplitStore, spec: MemberSpec) -> dict[str, Any] | None:
    """Return what was found of a member: gain, low, high and least in nats, fold, rivals, lost, time; None for nothing.

    A damaged file is nothing, so that it is written again.
    """
    path = split.member_dir(spec.name) / VERDICT
    try:
        race: dict[str, Any] = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        log.warning("%s is damaged; racing again", path)
        return None
    return race


def forget(split: SplitStore, spec: MemberSpec) -> None:
    """Forget a member's race, if there was one."""
    (split.member_dir(spec.name) / VERDICT).unlink(missing_ok=True)
