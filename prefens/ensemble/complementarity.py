"""Whether a member that has predicted one fold can still help the blend of the members so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.errors import BlendError
from prefens.core.metrics import p_true
from prefens.core.types import Floats, OOFStack
from prefens.ensemble.base import weighted
from prefens.ensemble.simplex_solver import minimise_log_loss


@dataclass(frozen=True)
class Promise:
    """What mixing a member into the blend gains on a fold, in nats: the best mixture's gain, and its 95 % interval."""

    gain: float
    low: float
    high: float

    def helps(self, least: float) -> bool:
        """Whether a gain of `least` nats is within reach: not above the interval."""
        return self.high >= least


def promise(stack: OOFStack, candidate: Floats, fold: int, resamples: int = 200) -> Promise:
    """Return what a member promises to the fitted blend of the members in `stack`.

    Parameters
    ----------
    stack : the complete members on all rows; candidate : (m, K) probabilities for the rows of `fold`, in its order.

    The blend is fitted without the fold. The candidate's share is fitted on the fold, anew for each resample of its
    prompts, so the gain is never negative and somewhat too large: a member is given up only when even that is small.
    """
    held_out = stack.folds.fold == fold
    if candidate.shape != (int(held_out.sum()), stack.probabilities.shape[2]):
        raise BlendError(
            f"predictions of shape {candidate.shape}", f"one row for each of fold {fold}", "give the fold's predictions"
        )
    others, rows = stack.rows(~held_out), stack.rows(held_out)
    weights = minimise_log_loss(p_true(others.probabilities, others.folds.label))
    blended = weighted(rows.probabilities, weights)
    pair = p_true(np.stack([blended, candidate]), rows.folds.label)
    bootstrap = GroupBootstrap(rows.folds.group, resamples)
    gains = [_gain(pair[:, counts > 0], counts[counts > 0]) for counts in bootstrap.row_counts()]
    low, high = interval(np.array(gains))
    return Promise(_gain(pair, np.ones(pair.shape[1])), float(low), float(high))


def _gain(pair: Floats, counts: Floats) -> float:
    """Return by how much the best mixture of two (2, n) probabilities of what happened beats the first, in nats."""
    counts = counts / counts.mean()
    best = minimise_log_loss(pair, counts, start=np.full(2, 0.5), target=1e-6)
    return float(((np.log(best @ pair) - np.log(pair[0])) * counts).mean())
