"""What a command returns of a fold run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from prefens.store.member_spec import MemberSpec
from prefens.store.run_record import RunResult


@dataclass(frozen=True)
class FoldResult:
    """The result of a finished fold run; a row of train.json.

    Attributes
    ----------
    member : str
        The member's name.
    backbone : str or None
        What it is built on.
    seed : int or None
        The member's seed.
    fold : int
        The fold that was held out.
    tuned_on_oof : bool
        Whether the member's settings were chosen by the rows that it is scored on.
    log_loss : float
        On the held-out rows, in nats.
    accuracy : float
        Share of the held-out rows, in [0, 1].
    seconds : float
        Time spent on it, by whoever trained it.
    trained : bool
        Whether this command trained it; else it was finished before.
    """

    member: str
    backbone: str | None
    seed: int | None
    fold: int
    tuned_on_oof: bool
    log_loss: float
    accuracy: float
    seconds: float
    trained: bool

    @classmethod
    def of(cls, spec: MemberSpec, fold: int, run: RunResult, tuned_on_oof: bool, trained: bool) -> Self:
        """Make one from what a fold run amounts to."""
        member = spec.name, spec.backbone, spec.seed
        return cls(*member, fold, tuned_on_oof, run.log_loss, run.accuracy, run.seconds, trained)

    def as_dict(self) -> dict[str, Any]:
        """Return it as train.json holds it."""
        return asdict(self)
