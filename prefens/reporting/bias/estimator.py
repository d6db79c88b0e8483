"""Effects on preference, and their estimator for votes, for predictions and for the truth of synthetic pairs.

An effect is a weighted mean of a linear function of the outcome probabilities p of each pair,

    sum_i w_i (p_i . contrast) / sum_i |w_i|.

With the contrast `MARGIN` it is a difference in win probability, P(the side with a trait wins) - P(the other side
wins), in [-1, 1], where w_i is 1 if A alone has the trait, -1 if B alone has it, and 0 otherwise. Votes are one-hot
probabilities. The effect is linear, so that of the votes has that of the true probabilities as its expectation, given
the texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.types import Floats, Strings

MARGIN = np.array([1.0, -1.0, 0.0])  # P(A wins) - P(B wins)
TIES = np.array([0.0, 0.0, 1.0])
MIN_ROWS, MIN_GROUPS = 30, 20  # below which a percentile interval means little
ROUNDING_ERROR = 1e-9
BLOCK_SIZE = 512  # effects times predictors whose sums are in memory at a time: 200 MB for 50,000 prompts


@dataclass(frozen=True, eq=False)
class Effect:
    """What is estimated.

    Attributes
    ----------
    topic : str
        What kind of effect it is, such as "verbosity".
    name : str
        The trait, so that "a response NAME" reads well.
    weight : ndarray of float, shape (n,)
        The weight of each pair; its sign says which side has the trait.
    contrast : ndarray of float, shape (3,)
        The linear function of a pair's probabilities; what is of ties counts where there are ties.
    """

    topic: str
    name: str
    weight: Floats
    contrast: Floats

    @property
    def n_pairs(self) -> int:
        """The number of pairs whose weight is not 0."""
        return int(np.count_nonzero(self.weight))

    def within(self, mask: NDArray[np.bool_], name: str) -> Effect:
        """Return the same effect among the pairs where `mask`, shape (n,), is True."""
        return replace(self, name=name, weight=np.where(mask, self.weight, 0.0))


def margin(topic: str, name: str, weight: Floats | NDArray[np.int64]) -> Effect:
    """Return an effect on winning; the sign of `weight`, shape (n,), says which side has the trait."""
    return Effect(topic, name, np.sign(weight).astype(np.float64), MARGIN)


class Estimate(NamedTuple):
    """An estimated number with its 95 % interval.

    Attributes
    ----------
    value : float
        The estimate.
    low, high : float
        The bounds of the interval.
    """

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0, by more than rounding."""
        return self.low > ROUNDING_ERROR or self.high < -ROUNDING_ERROR


@dataclass(frozen=True, eq=False)
class Estimates:
    """E effects of P predictors, with R bootstrap draws of each.

    Attributes
    ----------
    effects : sequence of Effect
        The E effects.
    names : sequence of str
        The P predictors.
    values : ndarray of float, shape (P, E)
        The estimates; NaN where an effect has too few pairs.
    draws : ndarray of float, shape (R, P, E)
        The estimates on resamples of the prompts; NaN where a resample has none of the effect's pairs.
    """

    effects: Sequence[Effect]
    names: Sequence[str]
    values: Floats
    draws: Floats

    def estimate(self, name: str, effect: int) -> Estimate | None:
        """Return a predictor's effect; None where it has too few pairs."""
        predictor = self.names.index(name)
        return _with_interval(self.values[predictor, effect], self.draws[:, predictor, effect])

    def difference(self, name: str, reference: str, effect: int) -> Estimate | None:
        """Return a predictor's effect minus that of another one, with the interval of their paired difference."""
        one, other = self.names.index(name), self.names.index(reference)
        value = self.values[one, effect] - self.values[other, effect]
        return _with_interval(value, self.draws[:, one, effect] - self.draws[:, other, effect])

    def estimated(self, name: str) -> list[int]:
        """Return the indices of the effects that a predictor has an estimate of."""
        indices: list[int] = np.flatnonzero(np.isfinite(self.values[self.names.index(name)])).tolist()
        return indices


def _with_interval(value: float, draws: Floats) -> Estimate | None:
    if not np.isfinite(value):
        return None
    low, high = interval(draws[np.isfinite(draws)])
    return Estimate(float(value), float(low), float(high))


def estimate(
    effects: Sequence[Effect], names: Sequence[str], probabilities: Sequence[Floats], bootstrap: GroupBootstrap
) -> Estimates:
    """Estimate effects of several predictors on the same resamples of prompt groups.

    Intervals are percentile intervals (Davison & Hinkley 1997, section 5.3.1).

    Parameters
    ----------
    effects : sequence of Effect
        The E effects. One of fewer than MIN_ROWS pairs or MIN_GROUPS prompts is not estimated.
    names : sequence of str
        The P predictors.
    probabilities : sequence of ndarray of float, shape (n, K)
        What each of them predicts.
    bootstrap : GroupBootstrap
        The resamples of the n pairs.
    """
    shape = (len(probabilities), len(effects))
    enough = [index for index, effect in enumerate(effects) if _has_enough_pairs(effect, bootstrap.group)]
    values, draws = np.full(shape, np.nan), np.full((bootstrap.resamples, *shape), np.nan)
    size = max(1, BLOCK_SIZE // max(1, len(enough)))
    for first in range(0, len(probabilities) if enough else 0, size):
        block = slice(first, first + size)
        numerator, denominator = _sums([effects[index] for index in enough], probabilities[block], bootstrap)
        values[block, enough] = (numerator.sum(axis=2) / denominator.sum(axis=1)[:, None]).T
        draws[:, block, enough] = _resample(numerator, denominator, bootstrap)
    return Estimates(effects, list(names), values, draws)


def _has_enough_pairs(effect: Effect, group: Strings) -> bool:
    rows = np.flatnonzero(effect.weight)
    return len(rows) >= MIN_ROWS and len(set(group[rows])) >= MIN_GROUPS


def _sums(
    effects: Sequence[Effect], probabilities: Sequence[Floats], bootstrap: GroupBootstrap
) -> tuple[Floats, Floats]:
    """Return the effects' numerators, (E, P, G), and denominators, (E, G), summed over each prompt group."""
    group, n_groups = bootstrap.group_index, int(bootstrap.group_index.max()) + 1
    contrasts = {tuple(effect.contrast): effect.contrast for effect in effects}
    scores = {key: [each @ contrast[: each.shape[1]] for each in probabilities] for key, contrast in contrasts.items()}
    numerator = np.empty((len(effects), len(probabilities), n_groups))
    denominator = np.empty((len(effects), n_groups))
    for index, effect in enumerate(effects):
        rows = np.flatnonzero(effect.weight)
        weight, row_group = effect.weight[rows], group[rows]
        denominator[index] = np.bincount(row_group, weights=np.abs(weight), minlength=n_groups)
        for predictor, score in enumerate(scores[tuple(effect.contrast)]):
            numerator[index, predictor] = np.bincount(row_group, weights=weight * score[rows], minlength=n_groups)
    return numerator, denominator


def _resample(numerator: Floats, denominator: Floats, bootstrap: GroupBootstrap) -> Floats:
    """Return the effects on R resamples, (R, P, E); NaN where none of an effect's pairs were drawn."""
    flat, parts = numerator.reshape(-1, numerator.shape[2]), []
    for counts in bootstrap.draws():
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = (flat @ counts.T).reshape(*numerator.shape[:2], -1)
            parts.append(sums / (denominator @ counts.T)[:, None, :])
    return np.concatenate(parts, axis=2).transpose(2, 1, 0)
