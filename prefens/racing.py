"""Giving up, after its first fold, a member that can't help the blend of the members so far."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import orjson

from prefens.ensemble.racing import Promise, promise
from prefens.files import write_json
from prefens.tracking.member_spec import MemberSpec
from prefens.tracking.oof_store import SplitStore
from prefens.tracking.stack import make_stack
from prefens.tracking.tracker import Tracker

log = logging.getLogger(__name__)

VERDICT = "race.json"  # beside the member's folds


@dataclass(frozen=True)
class Race:
    """A race against the complete members of a part of the store.

    Attributes
    ----------
    least : gain in nats that a member must have within reach, above 0; see `ensemble.racing.promise`.

    The numbers of a member's first finished fold are written beside its folds and are judged anew by each command's
    own `least`, so that the same command gives up the same members whatever has been trained since.
    """

    split: SplitStore
    tracker: Tracker
    least: float

    def lost(self, spec: MemberSpec) -> bool:
        """Whether the member is given up; False while it has no finished fold or nobody to race against."""
        path = self.split.member_dir(spec.name) / VERDICT
        known = _read(path) if path.exists() else None
        found = self._judge(spec, path) if known is None else known
        return found is not None and not found.helps(self.least)

    def _judge(self, spec: MemberSpec, path: Path) -> Promise | None:
        finished = self.split.finished_folds(spec)
        rivals = [other for other in self.split.members() if other.name != spec.name and self._complete(other)]
        if not rivals or not 0 < len(finished) < self.split.folds.k:
            return None
        runs = {other.info: [self.split.predictions(other, fold) for fold in self._folds] for other in rivals}
        fold = finished[0]
        found = promise(make_stack(self.split.folds, runs)[0], self.split.predictions(spec, fold).probabilities, fold)
        told = {"gain": found.gain, "low": found.low, "high": found.high}
        lost = not found.helps(self.least)
        about = {"fold": fold, "least": self.least, "lost": lost, "rivals": [other.name for other in rivals]}
        write_json(path, {**told, **about})
        self.tracker.log_race(
            spec, {f"race_{name}": value for name, value in (told | {"least": self.least}).items()}, lost
        )
        log.info(
            "%s %s: mixed into the blend of %d members it gains %.4f nats on fold %d, 95 %% interval %.4f to %.4f "
            "(race=%g)",
            spec.name, "is given up" if lost else "stays in the race", len(rivals), found.gain, fold, found.low,
            found.high, self.least,
        )  # fmt: skip
        return found

    @property
    def _folds(self) -> range:
        return range(self.split.folds.k)

    def _complete(self, spec: MemberSpec) -> bool:
        """Whether all folds are there and whole."""
        return all(self.split.has(spec, fold) and self.split.damage(spec, fold) is None for fold in self._folds)


def _read(path: Path) -> Promise | None:
    """Return the numbers of a race; None where the file is damaged, so that it is run again."""
    try:
        found = orjson.loads(path.read_bytes())
    except ValueError:
        log.warning("%s is damaged; racing again", path)
        return None
    return Promise(found["gain"], found["low"], found["high"])


def forget(split: SplitStore, spec: MemberSpec) -> None:
    """Forget a member's race, if there was one."""
    (split.member_dir(spec.name) / VERDICT).unlink(missing_ok=True)
