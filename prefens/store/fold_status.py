"""What is true of a fold run, asked once."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from prefens.core.errors import StoreError
from prefens.core.fold_run import FoldPredictions
from prefens.core.hashing import digest
from prefens.core.leases.leases import Holder, fold_lease, holder_of, is_live
from prefens.store.failures import Failure, failure_of
from prefens.store.integrity import find_mismatch
from prefens.store.member_spec import MemberSpec
from prefens.store.run_record import RunRecord
from prefens.store.split_store import SplitStore
from prefens.store.verdict import Verdict, read_verdict


class FoldState(Enum):
    """A fold run in one word; the values are those of status.json.

    `died`: its process was killed; the same command takes it over. `damaged`: the same command trains it again.
    `discarded`: its member was discarded early.
    """

    done = "done"
    damaged = "damaged"
    running = "running"
    died = "died"
    failed = "failed"
    collapsed = "collapsed"
    discarded = "given_up"
    missing = "missing"


@dataclass(frozen=True)
class FoldStatus:
    """What was true of a fold run when it was read.

    Attributes
    ----------
    run : RunRecord or None
        Its run.json, where that is stored under its key.
    predictions : FoldPredictions or None
        Its probabilities, where they were asked for and nothing is damaged.
    damage : str or None
        What is wrong with its stored files, in words.
    failure : Failure or None
        Why the last attempt failed, where it is not stored.
    holder : Holder or None
        The process that holds its lease, or held it when it died.
    held : bool
        Whether that process is thought to live.
    verdict : Verdict or None
        What early discarding has found of its member.
    time : float
        When all this was read, in seconds since the epoch.
    """

    run: RunRecord | None
    predictions: FoldPredictions | None
    damage: str | None
    failure: Failure | None
    holder: Holder | None
    held: bool
    verdict: Verdict | None
    time: float

    @property
    def finished(self) -> RunRecord | None:
        """Its run.json, where nothing is damaged."""
        return self.run if self.damage is None else None

    @property
    def settled(self) -> RunRecord | None:
        """Its run.json, where nothing is left to do: finished, and nobody works on it or died over it."""
        return self.finished if self.holder is None else None

    @property
    def discarded(self) -> bool:
        """Whether its member was discarded early."""
        return self.verdict is not None and self.verdict.discarded

    @property
    def collapsed(self) -> bool:
        """Whether it was stopped because it learned nothing."""
        return self.failure is not None and self.failure.collapsed

    @property
    def state(self) -> FoldState:
        """All this in one word."""
        if self.held:
            return FoldState.running
        if self.damage is not None:
            return FoldState.damaged
        if self.run is not None:
            return FoldState.done
        if self.failure is not None:
            return FoldState.collapsed if self.failure.collapsed else FoldState.failed
        if self.holder is not None:
            return FoldState.died
        return FoldState.discarded if self.discarded else FoldState.missing

    @property
    def seconds(self) -> float:
        """Time spent on it, where it is done, failed or running."""
        if self.held and self.holder is not None:
            return self.time - self.holder.started
        if self.run is not None:
            return self.run.seconds
        return 0.0 if self.failure is None else self.failure.seconds

    @property
    def log_loss(self) -> float | None:
        """On its held-out rows, in nats, where it is done; of a full fit on the hold-out, if there is one."""
        return None if self.finished is None or self.held else self.finished.log_loss

    @property
    def device(self) -> str:
        """What it was done on, "cpu" or "cuda"."""
        return "cpu" if self.run is None or self.held else self.run.device

    @property
    def threads(self) -> int:
        """How many threads it was done with."""
        return 1 if self.run is None or self.held else self.run.threads

    @property
    def note(self) -> str:
        """Where it runs or ran, what is damaged, why it failed, or why its member was discarded; else nothing."""
        if self.state in (FoldState.running, FoldState.died) and self.holder is not None:
            return self.holder.where
        if self.state is FoldState.damaged and self.damage is not None:
            return self.damage
        if self.state in (FoldState.failed, FoldState.collapsed) and self.failure is not None:
            return f"{next(iter(self.failure.error.splitlines()), '')} ({self.failure.host})"
        return self.verdict.comparison if self.state is FoldState.discarded and self.verdict is not None else ""

    @property
    def content(self) -> str | None:
        """The digest of what MLflow is to hold of it, or None for nothing."""
        if self.damage is not None:
            return "damaged"
        if self.run is not None:
            return self.run.digest
        return None if self.failure is None else digest(asdict(self.failure))

    def as_dict(self) -> dict[str, Any]:
        """Return it as status.json holds it."""
        names = ("seconds", "log_loss", "device", "threads", "note")
        return {"state": self.state.value, **{name: getattr(self, name) for name in names}}


def read_fold_status(split: SplitStore, spec: MemberSpec, fold: int, verify: bool = True) -> FoldStatus:
    """Read what is true of a fold run.

    Parameters
    ----------
    split, spec, fold : SplitStore, MemberSpec and int
        Which one.
    verify : bool
        Whether to compare the contents of its files and read its probabilities too; without, sizes alone count.
    """
    folder = split.fold_dir(spec.name, fold)
    lease = fold_lease(split.root, spec.key(fold))
    holder = holder_of(lease)  # before the files: who has left it since has stored them
    run, predictions, damage = None, None, None
    if folder.exists():
        try:
            run = split.record(spec, fold)
            if verify:
                predictions = split.predictions(spec, fold, part="")
            else:
                damage = find_mismatch(folder, run.files, contents=False)
        except StoreError as error:
            damage = error.came
    failure = failure_of(folder) if run is None else None
    held = holder is not None and is_live(lease, holder)
    verdict = read_verdict(split.member_dir(spec.name))
    return FoldStatus(run, predictions, damage, failure, holder, held, verdict, time.time())
