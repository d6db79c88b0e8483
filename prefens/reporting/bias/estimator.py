"""An effect on preference, and its one estimator: for votes, for predictions, and for the truth of generated pairs.

An effect is a weighted mean of a linear function of the outcome probabilities p of each pair,

    sum_i w_i (p_i . contrast) / sum_i |w_i|.

With the contrast `MARGIN` it is a difference in win probability, P(the side with a trait wins) - P(the other side
wins), in [-1, 1], where w_i is 1 if A alone has the trait, -1 if B alone has it, and 0 otherwise. Votes are one-hot
probabilities; being linear, their effect has that of the true probabilities as its expectation, given the texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.types import Floats, Strings

MARGIN = np.array([1.0, -1.0, 0.0])  # A wins less B wins
TIES = np.array([0.0, 0.0, 1.0])
MIN_ROWS, MIN_GROUPS = 30, 20  # below which a percentile interval means little
ROUNDING = 1e-9
BLOCK = 512  # columns of sums at a time: 200 MB for 50,000 prompts


@dataclass(frozen=True, eq=False)
class Effect:
    """What is estimated: `topic` and `name` say it, `weight` (n,) and `contrast` (K,) define it."""

    topic: str
    name: str
    weight: Floats
    contrast: Floats

    @property
    def rows(self) -> int:
        """The number of pairs that tell something."""
        return int(np.count_nonzero(self.weight))

    def within(self, keep: NDArray[np.bool_], name: str) -> Effect:
        """Return the same effect among the pairs where `keep` ((n,) booleans) is True."""
        return replace(self, name=name, weight=np.where(keep, self.weight, 0.0))


def margin(topic: str, name: str, weight: Floats | NDArray[np.int64]) -> Effect:
    """Return an effect on winning; the sign of `weight` (n,) says which side has the trait."""
    return Effect(topic, name, np.sign(weight).astype(np.float64), MARGIN)


@dataclass(frozen=True, eq=False)
class Estimates:
    """Effects of P predictors with bootstrap draws; NaN throughout where an effect has too few pairs.

    Attributes
    ----------
    value : (P, E); draws : (R, P, E).
    """

    effects: Sequence[Effect]
    names: Sequence[str]
    value: Floats
    draws: Floats

    def cell(self, name: str, effect: int) -> tuple[float, float, float] | None:
        """Return (value, low, high) of a predictor's effect with its 95 % interval; None where it is not known."""
        place = self.names.index(name)
        return _cell(self.value[place, effect], self.draws[:, place, effect])

    def difference(self, name: str, other: str, effect: int) -> tuple[float, float, float] | None:
        """Return (value, low, high) of the paired difference of two predictors' effects."""
        one, two = self.names.index(name), self.names.index(other)
        value = self.value[one, effect] - self.value[two, effect]
        return _cell(value, self.draws[:, one, effect] - self.draws[:, two, effect])


def excludes_zero(cell: tuple[float, float, float] | None) -> bool:
    """Whether an interval is known and lies on one side of 0, by more than rounding."""
    return cell is not None and (cell[1] > ROUNDING or cell[2] < -ROUNDING)


def _cell(value: float, draws: Floats) -> tuple[float, float, float] | None:
    if not np.isfinite(value):
        return None
    low, high = interval(draws[np.isfinite(draws)])
    return float(value), float(low), float(high)


def estimate(
    effects: Sequence[Effect], names: Sequence[str], probabilities: Sequence[Floats], bootstrap: GroupBootstrap
) -> Estimates:
    """Estimate effects of several predictors' (n, K) probabilities on the same resamples of prompt groups.

    An effect of fewer than MIN_ROWS pairs or MIN_GROUPS prompts is left out, as NaN. Percentile intervals (Davison &
    Hinkley 1997, section 5.3.1).
    """
    shape = (len(probabilities), len(effects))
    known = [place for place, effect in enumerate(effects) if _enough(effect, bootstrap.group)]
    value, draws = np.full(shape, np.nan), np.full((bootstrap.resamples, *shape), np.nan)
    size = max(1, BLOCK // max(1, len(known)))
    for first in range(0, len(probabilities) if known else 0, size):
        part = slice(first, first + size)
        top, weight = _sums([effects[place] for place in known], probabilities[part], bootstrap)
        value[part, known] = (top.sum(axis=2) / weight.sum(axis=1)[:, None]).T
        draws[:, part, known] = _resampled(top, weight, bootstrap)
    return Estimates(effects, list(names), value, draws)


def _enough(effect: Effect, group: Strings) -> bool:
    rows = np.flatnonzero(effect.weight)
    return len(rows) >= MIN_ROWS and len(set(group[rows])) >= MIN_GROUPS


def _sums(
    effects: Sequence[Effect], probabilities: Sequence[Floats], bootstrap: GroupBootstrap
) -> tuple[Floats, Floats]:
    """Return an effect's numerator, (E, P, G), and denominator, (E, G), for each prompt group."""
    place, groups = bootstrap.group_index, int(bootstrap.group_index.max()) + 1
    contrasts = {tuple(effect.contrast): effect.contrast for effect in effects}
    scores = {key: [each @ contrast for each in probabilities] for key, contrast in contrasts.items()}
    top, size = np.empty((len(effects), len(probabilities), groups)), np.empty((len(effects), groups))
    for at, effect in enumerate(effects):
        rows = np.flatnonzero(effect.weight)
        weight, where = effect.weight[rows], place[rows]
        size[at] = np.bincount(where, weights=np.abs(weight), minlength=groups)
        for predictor, score in enumerate(scores[tuple(effect.contrast)]):
            top[at, predictor] = np.bincount(where, weights=weight * score[rows], minlength=groups)
    return top, size


def _resampled(top: Floats, size: Floats, bootstrap: GroupBootstrap) -> Floats:
    """Return (R, P, E) effects of the resamples; NaN where none of its pairs were drawn."""
    flat, found = top.reshape(-1, top.shape[2]), []
    for drawn in bootstrap.draws():
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append((flat @ drawn.T).reshape(*top.shape[:2], -1) / (size @ drawn.T)[:, None, :])
    return np.concatenate(found, axis=2).transpose(2, 1, 0)
