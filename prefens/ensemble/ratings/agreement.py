"""How well the ratings by a predictor agree with those by the votes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

from prefens.core.bootstrap import interval
from prefens.core.types import Floats
from prefens.ensemble.ratings.rating import VOTES, Ratings

DECIMALS = 4  # of ratings, in points: what is equal but for rounding errors has one rank

Estimate = tuple[float, float | None, float | None]


@dataclass(frozen=True)
class Reversal:
    """Two models whose order by a predictor is not that of the votes; all gaps are in points.

    Attributes
    ----------
    better, worse : str
        The models, in the order of the votes.
    voted, predicted : tuple of float
        How far the first is ahead by votes and by predictions, with a 95 % bootstrap interval where one was drawn.
    clear : bool
        Whether the votes are sure of their order: the interval of `voted` excludes 0.
    """

    better: str
    worse: str
    voted: Estimate
    predicted: Estimate
    clear: bool


@dataclass(frozen=True)
class Agreement:
    """How well the ratings by a predictor agree with those by the votes.

    Attributes
    ----------
    source : str
        The predictor.
    kind : str
        The model of paired comparisons.
    styled : bool
        Whether style is controlled for.
    spearman, kendall : tuple of float
        Rank correlations in [-1, 1], NaN where all models have one rating, with 95 % bootstrap intervals where they
        were drawn. Noise in both ratings of a resample lowers them, so that an interval may lie below its estimate.
    reversals : tuple of Reversal
        Every pair of models whose order differs, the largest voted gap first.
    """

    source: str
    kind: str
    styled: bool
    spearman: Estimate
    kendall: Estimate
    reversals: tuple[Reversal, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


def compare(voted: Ratings, predicted: Ratings) -> Agreement:
    """Return the agreement of two ratings of the same models that were drawn from the same resamples."""
    x, y = voted.ratings.round(DECIMALS), predicted.ratings.round(DECIMALS)
    flips = [
        (first, second) if x[first] > x[second] else (second, first)
        for first, second in combinations(range(len(x)), 2)
        if (x[first] - x[second]) * (y[first] - y[second]) < 0
    ]
    reversals = [_reversal(voted, predicted, *flip) for flip in flips]
    return Agreement(
        predicted.source,
        predicted.kind.value,
        predicted.styled,
        _correlation(spearmanr, voted, predicted),
        _correlation(kendalltau, voted, predicted),
        tuple(sorted(reversals, key=lambda reversal: -reversal.voted[0])),
    )


def agreements(ratings: Sequence[Ratings]) -> list[Agreement]:
    """Return the agreement of every predictor's ratings with those by the votes of the same kind."""
    voted = {(each.kind, each.styled): each for each in ratings if each.source == VOTES}
    return [compare(voted[each.kind, each.styled], each) for each in ratings if each.source != VOTES]


def _correlation(statistic: Callable[[Floats, Floats], Any], voted: Ratings, predicted: Ratings) -> Estimate:
    def correlate(x: Floats, y: Floats) -> float:
        x, y = x.round(DECIMALS), y.round(DECIMALS)
        return float(statistic(x, y).statistic) if np.ptp(x) and np.ptp(y) else float("nan")

    draws = np.array([correlate(x, y) for x, y in zip(voted.draws, predicted.draws, strict=True)])
    return _estimate(correlate(voted.ratings, predicted.ratings), draws[~np.isnan(draws)])


def _reversal(voted: Ratings, predicted: Ratings, better: int, worse: int) -> Reversal:
    def gap(own: Ratings) -> Estimate:
        draws = own.draws[:, better] - own.draws[:, worse]
        return _estimate(float(own.ratings[better] - own.ratings[worse]), draws)

    ahead = gap(voted)
    clear = ahead[1] is not None and ahead[1] > 0
    return Reversal(voted.models[better], voted.models[worse], ahead, gap(predicted), clear)


def _estimate(value: float, draws: Floats) -> Estimate:
    low, high = interval(draws).tolist() if len(draws) else (None, None)
    return value, low, high
