"""What stops a training that has gone wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prefens.errors import CollapseError, TrainingError
from prefens.records import SWAP, Outcome


def check_finite(value: float, name: str, step: str) -> None:
    """TrainingError for a number that is NaN or infinite."""
    if not np.isfinite(value):
        raise TrainingError(f"{name} of {value} at {step}", "a finite number", "lower training.lr and training.head_lr")


@dataclass(frozen=True)
class CollapseGuard:
    """Judges once, at half the schedule and not before enough pairs were seen, whether anything is learned.

    Attributes
    ----------
    sizes : pairs of each step of the schedule.
    entropy : of the class prior, in nats: the loss of a model that knows the labels' shares and nothing else.
    enough : the number of steps that see enough pairs; beyond the schedule where none do.
    """

    sizes: Sequence[int]
    entropy: float
    enough: int

    @property
    def judged_at(self) -> int:
        """After how many steps the training is judged."""
        return max(self.enough, (len(self.sizes) + 1) // 2)

    @classmethod
    def of(
        cls, label: NDArray[np.int8], sizes: Sequence[int], min_pairs: int, symmetric: bool = False
    ) -> CollapseGuard:
        """Return the guard of a training on `label` ((n,)) that takes steps of these sizes.

        A training that is `symmetric` can't learn which side wins more often: its prior has equal shares for A and B.
        """
        enough = int(np.searchsorted(np.cumsum(sizes), min_pairs)) + 1
        shares = np.bincount(label, minlength=len(Outcome)) / len(label)
        if symmetric:
            shares = (shares + shares[SWAP]) / 2.0
        entropy = -float(sum(share * np.log(share) for share in shares if share > 0))
        return cls(sizes, entropy, enough)

    def check(self, curve: Sequence[float], over: bool = False) -> None:
        """CollapseError where the last quarter of the training losses so far is no better than the class prior.

        A training that is `over` before it was judged, since it was stopped early, is judged at its end.
        """
        if len(curve) != self.judged_at and not (over and self.enough <= len(curve) < self.judged_at):
            return
        last = slice(len(curve) - max(1, len(curve) // 4), len(curve))
        loss = float(np.average(curve[last], weights=self.sizes[last]))
        if loss >= self.entropy:
            raise CollapseError(
                f"a training loss of {loss:.4f} after {len(curve)} of {len(self.sizes)} steps: nothing is learned",
                f"less than the class prior's {self.entropy:.4f} in the last quarter of the steps",
                "lower training.lr or lengthen training.warmup; for another try at the same settings: force=true",
            )
