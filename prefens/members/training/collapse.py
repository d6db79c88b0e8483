"""What stops a training that has gone wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import CollapseError, TrainingError
from prefens.core.types import Ints
from prefens.members.training.prior import class_prior

CHANCE = 1e-3  # nats that predictions about the class prior gain by chance on the thousands of pairs that are judged


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
    prior : the class prior's loss on the pairs of each step, in nats: that of a model that knows the labels' shares and
        nothing else, as a fresh head does; with label smoothing it is as unsure as that makes the training.
    enough : the number of steps that see enough pairs; beyond the schedule where none do.
    """

    sizes: Sequence[int]
    prior: Sequence[float]
    enough: int

    @property
    def judged_at(self) -> int:
        """After how many steps the training is judged."""
        return max(self.enough, (len(self.sizes) + 1) // 2)

    @classmethod
    def of(
        cls,
        label: NDArray[np.int8],
        plan: Sequence[Ints],
        min_pairs: int,
        symmetric: bool = False,
        smoothing: float = 0.0,
    ) -> CollapseGuard:
        """Return the guard of a training on `label` ((n,)) whose steps have the pairs at the places in `plan`.

        A training that is `symmetric` can't learn which side wins more often: its prior has equal shares for A and B.
        """
        sizes = [len(step) for step in plan]
        losses = -np.log(class_prior(label, symmetric, smoothing)[label])
        enough = int(np.searchsorted(np.cumsum(sizes), min_pairs)) + 1
        return cls(sizes, [float(losses[step].mean()) for step in plan], enough)

    def check(self, curve: Sequence[float], over: bool = False) -> None:
        """CollapseError where the last quarter of the training losses so far is no better than the class prior's.

        The two are compared on the same pairs, and better is by more than `CHANCE`. A training that is `over` before it
        was judged, since it was stopped early, is judged at its end.
        """
        if len(curve) != self.judged_at and not (over and self.enough <= len(curve) < self.judged_at):
            return
        last = slice(len(curve) - max(1, len(curve) // 4), len(curve))
        loss, prior = (float(np.average(values[last], weights=self.sizes[last])) for values in (curve, self.prior))
        if loss > prior - CHANCE:
            raise CollapseError(
                f"a training loss of {loss:.4f} after {len(curve)} of {len(self.sizes)} steps: nothing is learned",
                f"less than {prior - CHANCE:.4f}, the class prior's on the same pairs less {CHANCE}",
                "lower training.lr or lengthen training.warmup; for another try at the same settings: force=true",
            )
