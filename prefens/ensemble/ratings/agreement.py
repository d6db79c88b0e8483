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
        Rank correlations in [-1, 1], with 95 % bootstrap intervals where they were drawn. Noise in both ratings of a
        resample lowers them, so that an interval may lie below its estimate.
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
    pairs = list(combinations(range(len(voted.models)), 2))
    flips = [
        (first, second) if voted.ratings[first] > voted.ratings[second] else (second, first)
        for first, second in pairs
        if (voted.ratings[first] - voted.ratings[second]) * (predicted.ratings[first] - predicted.ratings[second]) < 0
    ]
    reversals = [_reversal(voted, predicted, *flip) for flip in flips]
    return Agreement(
        predicted.source,
        predicted.kind.value,
        predicted.styled,
        _correlation(lambda x, y: float(spearmanr(x, y).statistic), voted, predicted),
        _correlation(lambda x, y: float(kendalltau(x, y).statistic), voted, predicted),
        tuple(sorted(reversals, key=lambda reversal: -reversal.voted[0])),
    )


def agreements(ratings: Sequence[Ratings]) -> list[Agreement]:
    """Return the agreement of every predictor's ratings with those by the votes of the same kind."""
    voted = {(each.kind, each.styled): each for each in ratings if each.source == VOTES}
    return [compare(voted[each.kind, each.styled], each) for each in ratings if each.source != VOTES]


def _correlation(statistic: Callable[[Floats, Floats], float], voted: Ratings, predicted: Ratings) -> Estimate:
    draws = np.array([statistic(x, y) for x, y in zip(voted.draws, predicted.draws, strict=True)])
    return _estimate(statistic(voted.ratings, predicted.ratings), draws)


def _reversal(voted: Ratings, predicted: Ratings, better: int, worse: int) -> Reversal:
    gaps = [
        _estimate(float(own.ratings[better] - own.ratings[worse]), own.draws[:, better] - own.draws[:, worse])
        for own in (voted, predicted)
    ]
    low = gaps[0][1]
    return Reversal(voted.models[better], voted.models[worse], *gaps, clear=low is not None and low > 0)


def _estimate(value: float, draws: Floats) -> Estimate:
    low, high = interval(draws).tolist() if len(draws) else (None, None)
    return value, low, high
