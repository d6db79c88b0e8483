"""The status of a sweep: each member's folds, read from plain files while other processes write them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefens.core.errors import ConfigError, StoreError
from prefens.core.types import MemberInfo
from prefens.runner.sweep import latest
from prefens.store.fold_status import FoldState, FoldStatus, read_fold_status
from prefens.store.folds_table import FOLDS_AGAIN, check_k
from prefens.store.oof_store import OOFStore
from prefens.store.parquet import read_metadata
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplitStatus:
    """The status of all members on one data set and its folds.

    Attributes
    ----------
    split : str
        The name of that part of the store.
    members : mapping of str to sequence of FoldStatus
        Per member, its folds in their order.
    infos : mapping of str to MemberInfo
        Per member, its backbone, by which the time left is estimated, and whether the rows that score it were seen.
    damage : sequence of str
        Which files are damaged, so that their members are not known.
    full : mapping of str to FoldStatus
        Per member that has one, or of which one was begun, its full fit.
    """

    split: str
    members: Mapping[str, Sequence[FoldStatus]]
    infos: Mapping[str, MemberInfo] = field(default_factory=dict)
    damage: Sequence[str] = ()
    full: Mapping[str, FoldStatus] = field(default_factory=dict)

    def folds(self) -> Iterable[FoldStatus]:
        return (fold for name in self.members for fold in self.fits(name))

    def fits(self, name: str) -> list[FoldStatus]:
        """Return the fold runs of a member, and then its full fit, if any."""
        return [*self.members[name], *([self.full[name]] if name in self.full else [])]

    def count(self, state: FoldState) -> int:
        return sum(fold.state is state for fold in self.folds())

    def hours(self, device: str) -> float:
        """Return the hours spent on finished and failed folds: of GPUs, or of CPU cores."""
        ended = [fold for fold in self.folds() if fold.state is not FoldState.running]
        own = [fold for fold in ended if (fold.device == "cpu") == (device == "cpu")]
        return sum(fold.seconds * (fold.threads if device == "cpu" else 1) for fold in own) / 3600

    def seconds_left(self) -> float | None:
        """Estimate the time until all known members are done, with as many processes as work now (at least one).

        A fold takes as long as the finished folds of its member, else of its backbone; None where one is unknown.
        """
        left = 0.0
        for name in self.members:
            for fold in self.fits(name):
                if fold.state in (FoldState.done, FoldState.discarded):
                    continue
                usual = self._usual(name)
                if usual is None:
                    return None
                left += max(0.0, usual - fold.seconds) if fold.state is FoldState.running else usual
        return left / max(1, self.count(FoldState.running))

    def _usual(self, name: str) -> float | None:
        alike = [other for other, info in self.infos.items() if info.backbone == self.infos[name].backbone]
        for group in ([name], alike):
            seconds = [fold.seconds for other in group for fold in self.members[other] if fold.state is FoldState.done]
            if seconds:
                return sum(seconds) / len(seconds)
        return None

    def as_dict(self) -> dict[str, Any]:
        members = {name: [fold.as_dict() for fold in folds] for name, folds in self.members.items()}
        return {
            "split": self.split,
            "members": members,
            "full": {name: status.as_dict() for name, status in self.full.items()},
            "tuned_on_oof": [name for name, info in self.infos.items() if info.tuned_on_oof],
            "taught_on_oof": [name for name, info in self.infos.items() if info.taught_on_oof],
            "damage": list(self.damage),
            "counts": {state.value: self.count(state) for state in FoldState},
            "seconds_left": self.seconds_left(),
            "gpu_hours": self.hours("gpu"),
            "cpu_hours": self.hours("cpu"),
        }


@dataclass(frozen=True)
class SweepStatus:
    """How far the work under a tracking root is.

    Attributes
    ----------
    splits : list of SplitStatus
        Every part of the store.
    jobs_not_begun : list of list of str
        The overrides of the jobs of the latest sweep that have not begun.
    """

    splits: list[SplitStatus]
    jobs_not_begun: list[list[str]]

    def as_dict(self) -> dict[str, Any]:
        """Return it as status.json holds it."""
        return {"splits": [split.as_dict() for split in self.splits], "jobs_not_begun": self.jobs_not_begun}


def read_sweep_status(root: Path) -> SweepStatus:
    """Return how far the work under a tracking root is.

    Raises
    ------
    ConfigError
        Where there is no store under the tracking root.
    """
    if not (root / "store").is_dir():
        raise ConfigError(f"no store in {root}", "members that were begun", "train some, or give tracking.root=DIR")
    return SweepStatus(split_statuses(root), _jobs_not_begun(root))


def _jobs_not_begun(root: Path) -> list[list[str]]:
    sweep = latest(root)
    try:
        return [] if sweep is None else sweep.pending()
    except StoreError as error:
        log.warning("of the latest sweep nothing is shown: %s", error)
        return []


def split_statuses(root: Path) -> list[SplitStatus]:
    """Return the status of every part of the store under a tracking root; external members are left out."""
    return [_split_status(split) for split in OOFStore(root).splits()]


def _split_status(split: SplitStore) -> SplitStatus:
    path = split.path / "folds.parquet"
    try:
        k = check_k(read_metadata(path) or {}, path, FOLDS_AGAIN)  # without the rows
    except StoreError:
        return SplitStatus(split.path.name, {}, damage=[f"{path}: {FOLDS_AGAIN}"])
    specs, damage = [], []
    for name in split.member_names():
        try:
            specs.append(split.member(name))
        except StoreError as error:
            damage.append(f"{error.came}: {error.do}")
    specs = [spec for spec in specs if spec.external is None]
    members = {spec.name: [read_fold_status(split, spec, fold, verify=False) for fold in range(k)] for spec in specs}
    fits = {spec.name: read_fold_status(split, spec, k, verify=False) for spec in specs}
    full = {name: fit for name, fit in fits.items() if fit.state not in (FoldState.missing, FoldState.discarded)}
    return SplitStatus(split.path.name, members, {spec.name: spec.info for spec in specs}, damage, full)
