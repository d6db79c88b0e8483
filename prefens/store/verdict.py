"""The verdict of early discarding, beside a member's folds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from prefens.core.errors import StoreError, counted
from prefens.core.files import write_json
from prefens.core.typed_json import read_typed

FILE = "early_discard.json"


@dataclass(frozen=True)
class Verdict:
    """Whether a member is discarded after its first fold, and the comparison that says so.

    Attributes
    ----------
    gain, low, high : float
        What mixing the member into the blend gains on that fold, in nats, with its 95 % interval.
    fold : int
        The fold.
    rivals : list of str
        The members of that blend.
    threshold : float
        The gain in nats that had to be within reach.
    discarded : bool
        Whether it was not.
    time : float
        When that was decided, in seconds since the epoch.
    """

    gain: float
    low: float
    high: float
    fold: int
    rivals: list[str]
    threshold: float
    discarded: bool
    time: float

    @property
    def decision(self) -> str:
        """What was decided, in a word."""
        return "discarded" if self.discarded else "kept"

    @property
    def comparison(self) -> str:
        """The comparison in words."""
        return (
            f"mixed into the blend of {counted(len(self.rivals), 'member')} it gains {self.gain:.4f} nats "
            f"[{self.low:.4f}, {self.high:.4f}] on fold {self.fold}, early_discard={self.threshold:g}"
        )


def read_verdict(member_dir: Path) -> Verdict | None:
    """Return the verdict on the member of a folder, or None: a damaged file is none, so that it is written again."""
    try:
        return read_typed(member_dir / FILE, Verdict, "the verdict on a member", "train the member again")
    except StoreError:
        return None


def write_verdict(member_dir: Path, verdict: Verdict) -> None:
    """Write the verdict on the member of a folder, in place of an earlier one."""
    write_json(member_dir / FILE, asdict(verdict))


def remove_verdict(member_dir: Path) -> None:
    """Delete the verdict on the member of a folder, if there is one."""
    (member_dir / FILE).unlink(missing_ok=True)
