"""Whether a member that has predicted one fold can still improve the blend of the members so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prefens.core import metrics
from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.errors import BlendError
from prefens.core.fold_run import training_rows
from prefens.core.types import Floats, OOFStack
from prefens.ensemble.base import weighted_mean
from prefens.ensemble.simplex_solver import minimize_log_loss


@dataclass(frozen=True)
class MarginalGain:
    """By how much mixing a member into a blend lowers the log loss on one fold.

    Attributes
    ----------
    gain : float, 0 or more
        Gain of the best mixture, in nats.
    low : float
        Lower end of its 95 % bootstrap interval, in nats.
    high : float
        Upper end of its 95 % bootstrap interval, in nats.
    """

    gain: float
    low: float
    high: float

    def helps(self, least: float) -> bool:
        """Return whether a gain of `least` nats is plausible: it is not above the interval."""
        return self.high >= least


def marginal_gain(stack: OOFStack, candidate: Floats, fold: int, resamples: int = 200) -> MarginalGain:
    """Return what a member adds, on one fold, to the fitted blend of other members.

    The blend is fitted without the fold, and where folds are sources, without its prompts. The candidate's share in the
    mixture is fitted on the fold, anew for each resample of its prompt groups. So the gain is never negative and
    somewhat too large: a member is discarded only where even this gain is small.

    Parameters
    ----------
    stack : OOFStack
        The complete members, on all rows.
    candidate : ndarray of shape (m, K)
        The member's probabilities for the m rows of the fold, in the order of the stack.
    fold : int
        Number of the fold.
    resamples : int
        Bootstrap resamples.

    Raises
    ------
    BlendError
        If `candidate` has not one row for each row of the fold.
    """
    held_out = stack.folds.fold == fold
    expected = (int(held_out.sum()), stack.probabilities.shape[2])
    if candidate.shape != expected:
        raise BlendError(
            f"predictions of shape {candidate.shape}",
            f"{expected}: one row for each of fold {fold}",
            "give the fold's predictions",
        )
    others, rows = stack.rows(training_rows(stack.folds, held_out)), stack.rows(held_out)
    weights = minimize_log_loss(metrics.p_true(others.probabilities, others.folds.label))
    blended = weighted_mean(rows.probabilities, weights)
    p_true = metrics.p_true(np.stack([blended, candidate]), rows.folds.label)
    bootstrap = GroupBootstrap(rows.folds.group, resamples)
    gains = [_mixture_gain(p_true[:, counts > 0], counts[counts > 0]) for counts in bootstrap.row_counts()]
    low, high = interval(np.array(gains))
    return MarginalGain(_mixture_gain(p_true, np.ones(p_true.shape[1])), float(low), float(high))


def _mixture_gain(p_true: Floats, counts: Floats) -> float:
    """Return what the best mixture of two (2, n) predictions gains over the first one, in nats."""
    counts = counts / counts.mean()
    best = minimize_log_loss(p_true, counts, start=np.full(2, 0.5), target=1e-6)
    return float(((np.log(best @ p_true) - np.log(p_true[0])) * counts).mean())
