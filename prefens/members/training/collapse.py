"""The guards that stop a training: losses that are not finite, and a collapse to the class prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prefens.core.errors import CollapseError, TrainingError
from prefens.core.teaching import Targets
from prefens.core.types import Ints
from prefens.members.training.prior import class_prior, constant_losses

CHANCE_GAIN_NATS = 1e-3  # what predictions around the class prior gain by chance on the thousands of pairs judged


def check_finite(value: float, name: str, step: str) -> None:
    """Check a number of a training step.

    Raises
    ------
    TrainingError
        It is NaN or infinite; the message has its name and its step.
    """
    if not np.isfinite(value):
        raise TrainingError(f"{name} of {value} at {step}", "a finite number", "lower training.lr and training.head_lr")


@dataclass(frozen=True)
class CollapseGuard:
    """Judges once whether anything is learned: at half the schedule, and not before enough pairs were seen.

    Attributes
    ----------
    step_pairs : sequence of int
        The pairs of each step of the schedule.
    prior_losses : sequence of float, nats
        The loss of the class prior on the pairs of each step: that of a new head, which knows the outcomes' shares and
        nothing else. With label smoothing, the prior is smoothed too.
    min_steps : int
        The number of steps that see enough pairs; beyond the schedule where no number does.
    """

    step_pairs: Sequence[int]
    prior_losses: Sequence[float]
    min_steps: int

    @property
    def judged_at(self) -> int:
        """The number of steps after which the training is judged."""
        return max(self.min_steps, (len(self.step_pairs) + 1) // 2)

    @classmethod
    def for_plan(
        cls,
        targets: Targets,
        plan: Sequence[Ints],
        min_pairs: int,
        symmetric: bool = False,
        smoothing: float = 0.0,
    ) -> CollapseGuard:
        """Return the guard of a training.

        Parameters
        ----------
        targets : Targets
            Of the training pairs. The entropy of soft ones is a part of the prior's loss as of any other.
        plan : sequence of int64 array
            The places in `targets` of each step's pairs.
        min_pairs : int
            Pairs to see before the training is judged.
        symmetric : bool
            Whether the model can't learn which side wins more often; its prior has equal shares for A and B.
        smoothing : float in [0, 1)
            The label smoothing of the training.
        """
        step_pairs = [len(step) for step in plan]
        losses = constant_losses(targets, class_prior(targets, symmetric, smoothing)) / targets.mean_weight
        min_steps = int(np.searchsorted(np.cumsum(step_pairs), min_pairs)) + 1
        return cls(step_pairs, [float(losses[step].mean()) for step in plan], min_steps)

    def check(self, train_losses: Sequence[float], finished: bool = False) -> None:
        """Judge a training, if it is time to.

        The losses of the last quarter of the steps so far are compared with the class prior's on the same pairs; they
        must be lower by more than CHANCE_GAIN_NATS.

        Parameters
        ----------
        train_losses : sequence of float, nats
            The unsmoothed training loss of each step so far.
        finished : bool
            Whether the training is over; where it stopped early, before it was judged, it is judged now.

        Raises
        ------
        CollapseError
            Nothing was learned.
        """
        taken = len(train_losses)
        if taken != self.judged_at and not (finished and self.min_steps <= taken < self.judged_at):
            return
        last = slice(taken - max(1, taken // 4), taken)
        loss, prior = (
            float(np.average(losses[last], weights=self.step_pairs[last]))
            for losses in (train_losses, self.prior_losses)
        )
        if loss > prior - CHANCE_GAIN_NATS:
            limit = f"{prior - CHANCE_GAIN_NATS:.4f}"
            raise CollapseError(
                f"a training loss of {loss:.4f} after {taken} of {len(self.step_pairs)} steps: nothing is learned",
                f"less than {limit}, the class prior's on the same pairs less {CHANCE_GAIN_NATS}",
                "lower training.lr or lengthen training.warmup; for another try at the same settings: force=true",
            )
