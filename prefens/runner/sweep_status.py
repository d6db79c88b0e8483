"""The status of a sweep: each member's folds, read from plain files while other processes write them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import orjson

from prefens.core.errors import ConfigError
from prefens.core.leases import Holder, holder_of, is_live
from prefens.runner.sweep import latest
from prefens.store.failures import Failure, failure_of
from prefens.store.oof_store import OOFStore


class FoldState(Enum):
    """Of a fold run; the values are those of status.json.

    `died`: its process was killed; the same command takes it over. `discarded`: its member was discarded early.
    """

    done = "done"
    running = "running"
    died = "died"
    failed = "failed"
    collapsed = "collapsed"
    discarded = "given_up"
    missing = "missing"


@dataclass(frozen=True)
class FoldStatus:
    """The status of a fold run.

    Attributes
    ----------
    state : FoldState
        Whether it is done, and what it is otherwise.
    seconds : float
        Time spent on it, where it is done, failed or running.
    log_loss : float or None
        On its held-out rows, in nats, where it is done.
    device, threads : str and int
        What it was done with.
    note : str
        Where it runs, or why it failed.
    """

    state: FoldState
    seconds: float = 0.0
    log_loss: float | None = None
    device: str = "cpu"
    threads: int = 1
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "state": self.state.value}


@dataclass(frozen=True)
class SplitStatus:
    """The status of all members on one data set and its folds.

    Attributes
    ----------
    split : str
        The name of that part of the store.
    members : mapping of str to sequence of FoldStatus
        Per member, its folds in their order.
    backbones : mapping of str to str or None
        Per member, its backbone, by which the time left is estimated.
    """

    split: str
    members: Mapping[str, Sequence[FoldStatus]]
    backbones: Mapping[str, str | None] = field(default_factory=dict)

    def folds(self) -> Iterable[FoldStatus]:
        return (fold for folds in self.members.values() for fold in folds)

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
        for name, folds in self.members.items():
            for fold in folds:
                if fold.state in (FoldState.done, FoldState.discarded):
                    continue
                usual = self._usual(name)
                if usual is None:
                    return None
                left += max(0.0, usual - fold.seconds) if fold.state is FoldState.running else usual
        return left / max(1, self.count(FoldState.running))

    def _usual(self, name: str) -> float | None:
        alike = [other for other, backbone in self.backbones.items() if backbone == self.backbones[name]]
        for group in ([name], alike):
            known = [fold.seconds for other in group for fold in self.members[other] if fold.state is FoldState.done]
            if known:
                return sum(known) / len(known)
        return None

    def as_dict(self) -> dict[str, Any]:
        members = {name: [fold.as_dict() for fold in folds] for name, folds in self.members.items()}
        return {
            "split": self.split,
            "members": members,
            "counts": {state.value: self.count(state) for state in FoldState},
            "seconds_left": self.seconds_left(),
            "gpu_hours": self.hours("gpu"),
            "cpu_hours": self.hours("cpu"),
        }


def sweep_status(root: Path) -> dict[str, Any]:
    """Return as JSON values: the status of every part of the store, and the jobs of the latest sweep not begun.

    Raises
    ------
    ConfigError
        Where there is no store under the tracking root.
    """
    if not (root / "store").is_dir():
        raise ConfigError(f"no store in {root}", "members that were begun", "train some, or give tracking.root=DIR")
    sweep = latest(root)
    splits = [split.as_dict() for split in split_statuses(root)]
    return {"splits": splits, "jobs_not_begun": [] if sweep is None else sweep.pending()}


def split_statuses(root: Path) -> list[SplitStatus]:
    """Return the status of every part of the store under a tracking root; external members are left out."""
    leases = _leases(root)
    return [_split_status(split.path, leases) for split in OOFStore(root).splits()]


def _leases(root: Path) -> dict[tuple[str, str, int], tuple[Holder, bool]]:
    """Return who holds or held what, and whether they live, by part of the store, member and fold."""
    found = {}
    for path in root.glob("locks/fold-*.json"):
        holder = holder_of(path)
        if holder is not None:
            about = holder.metadata
            found[about["split"], about["member"], about["fold"]] = holder, is_live(path, holder)
    return found


def _split_status(split: Path, leases: Mapping[tuple[str, str, int], tuple[Holder, bool]]) -> SplitStatus:
    members: dict[str, list[FoldStatus]] = {}
    backbones: dict[str, str | None] = {}
    k = _fold_count(split / "folds.parquet")
    for path in sorted(split.glob("members/*/member.json")):
        about = orjson.loads(path.read_bytes())
        name = path.parent.name
        if about.get("external") is None:
            backbones[name] = about["backbone"]
            known = [_fold(path.parent / f"fold-{fold}", leases.get((split.name, name, fold))) for fold in range(k)]
            discarded = _discarded(path.parent / "race.json")
            members[name] = [discarded if discarded and fold.state is FoldState.missing else fold for fold in known]
    return SplitStatus(split.name, members, backbones)


def _discarded(path: Path) -> FoldStatus | None:
    try:
        race = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not race["lost"]:
        return None
    gain = f"{race['gain']:.4f} nats [{race['low']:.4f}, {race['high']:.4f}]"
    note = f"gains the blend of {len(race['rivals'])} {gain} on fold {race['fold']}, race={race['least']:g}"
    return FoldStatus(FoldState.discarded, note=note)


def _fold(folder: Path, lease: tuple[Holder, bool] | None) -> FoldStatus:
    if lease is not None and lease[1]:
        return FoldStatus(FoldState.running, time.time() - lease[0].started, note=lease[0].where)
    try:
        run = orjson.loads((folder / "run.json").read_bytes())
        device, threads = run.get("device", "cpu"), run.get("threads", 1)
        return FoldStatus(FoldState.done, run["seconds"], run["log_loss"], device, threads)
    except (OSError, ValueError):
        failure = failure_of(folder)
    if failure is not None:
        return _failed(failure)
    if lease is not None:
        return FoldStatus(FoldState.died, note=lease[0].where)
    return FoldStatus(FoldState.missing)


def _failed(failure: Failure) -> FoldStatus:
    state = FoldState.collapsed if failure.collapsed else FoldState.failed
    return FoldStatus(state, failure.seconds, note=f"{failure.error.splitlines()[0]} ({failure.host})")


def _fold_count(path: Path) -> int:
    import pyarrow.parquet as pq  # not for --help

    about = orjson.loads(pq.read_metadata(path).metadata[b"prefens"])
    return int(about["settings"]["k"])
