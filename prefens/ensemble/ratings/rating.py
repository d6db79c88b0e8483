"""Ratings on the arena's scale, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.types import Floats, Ints, Outcome
from prefens.ensemble.ratings.comparisons import Comparisons
from prefens.ensemble.ratings.paired_model import ACCEPTED, Kind, PairedModel

VOTES = "votes"  # the source that predictors are compared with
MEAN = 1000.0  # the mean rating of all models
POINTS = 400.0 / math.log(10.0)  # per unit of natural log odds: 400 points are odds of 10 to 1
NORMAL = 1.959963984540054  # standard errors on either side of a 95 % interval

Interval = tuple[float, float]


@dataclass(frozen=True)
class Rating:
    """The rating of a model, in points; intervals are of 95 %.

    Attributes
    ----------
    model : str
        Its name.
    rank : int
        1 for the best.
    rating : float
        Its strength: 1000 is the mean of all models, and 400 points more are odds of 10 to 1.
    sandwich : tuple of two floats
        The interval of the clustered sandwich covariance.
    bootstrap : tuple of two floats, or None
        The percentile interval of the bootstrap over prompts; None where none was drawn.
    comparisons : int
        The number of pairs that it took part in.
    """

    model: str
    rank: int
    rating: float
    sandwich: Interval
    bootstrap: Interval | None
    comparisons: int


@dataclass(frozen=True)
class StyleEffect:
    """What a difference in style is worth: natural log odds per root mean square, with its 95 % sandwich interval."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Ratings:
    """The ratings of M models by one source of outcomes.

    Attributes
    ----------
    source : str
        Whose outcomes they are: "votes", or the name of a member or blending method.
    kind : Kind
        The model of paired comparisons.
    models : tuple of str
        The names of the M models.
    ratings : array, shape (M,)
        In points.
    error : array, shape (M,)
        Their clustered standard errors, in points.
    draws : array, shape (R, M)
        The ratings of R resamples of the prompts; equal seeds give every source the same resamples.
    comparisons : array of int64, shape (M,)
        The number of pairs of each model.
    effects : tuple of StyleEffect
        What style is worth; empty without style control.
    tie : float or None
        Davidson's nu: the weight of a tie between equals, where each win weighs 1. None for Bradley-Terry.
    """

    source: str
    kind: Kind
    models: tuple[str, ...]
    ratings: Floats
    error: Floats
    draws: Floats
    comparisons: Ints
    effects: tuple[StyleEffect, ...]
    tie: float | None

    @property
    def styled(self) -> bool:
        """Whether style is controlled for."""
        return bool(self.effects)

    @cached_property
    def rows(self) -> list[Rating]:
        """One row per model, the best first."""
        order = np.lexsort((np.array(self.models), -self.ratings))
        bounds = interval(self.draws) if len(self.draws) else None
        rows = []
        for rank, place in enumerate(order.tolist(), 1):
            value, reach = float(self.ratings[place]), NORMAL * float(self.error[place])
            own = None if bounds is None else (float(bounds[place, 0]), float(bounds[place, 1]))
            count = int(self.comparisons[place])
            rows.append(Rating(self.models[place], rank, value, (value - reach, value + reach), own, count))
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Return all but the resamples as JSON values."""
        return {
            "source": self.source,
            "model": self.kind.value,
            "style_control": self.styled,
            "tie": self.tie,
            "ratings": [dict(vars(row)) for row in self.rows],
            "style_effects": [dict(vars(effect)) for effect in self.effects],
        }


def rate(
    comparisons: Comparisons, source: str, kind: Kind, style_control: bool, resamples: int = 0, seed: int = 0
) -> Ratings:
    """Return the ratings of the models.

    Parameters
    ----------
    comparisons : Comparisons
        What is rated.
    source : str
        Whose outcomes they are.
    kind : Kind
        The model of paired comparisons.
    style_control : bool
        Whether differences in style are fitted beside the strengths.
    resamples : int, 0 or more
        Of the bootstrap over prompts.
    seed : int
        Of the bootstrap.

    Raises
    ------
    BlendError
        Where the fit fails.
    """
    if not style_control:
        comparisons = replace(comparisons, style=comparisons.style[:, :0], style_names=())
    model, size = PairedModel(kind, comparisons), len(comparisons.models)
    fitted = model.fit()
    error = np.sqrt(np.diag(model.covariance(fitted)))
    draws = np.empty((resamples, size))
    if resamples:
        for place, weights in enumerate(GroupBootstrap(comparisons.group, resamples, seed).row_counts()):
            draws[place] = model.fit(weights, fitted.point, ACCEPTED).point[:size]
    effects = [
        StyleEffect(name, float(value), float(value - NORMAL * own), float(value + NORMAL * own))
        for name, value, own in zip(comparisons.style_names, fitted.point[size:], error[size:], strict=False)
    ]
    return Ratings(
        source,
        kind,
        comparisons.models,
        MEAN + POINTS * fitted.point[:size],
        POINTS * error[:size],
        MEAN + POINTS * draws,
        np.bincount(np.concatenate([comparisons.a, comparisons.b]), minlength=size),
        tuple(effects),
        float(np.exp(fitted.point[-1])) if kind is Kind.DAVIDSON else None,
    )


def rate_sources(
    votes: Comparisons,
    predictions: Mapping[str, Floats],
    style_control: bool,
    resamples: int,
    kinds: Sequence[Kind] = tuple(Kind),
) -> list[Ratings]:
    """Return the ratings by the votes and by each predictor.

    Parameters
    ----------
    votes : Comparisons
        The votes.
    predictions : mapping of str to array, shape (n, K)
        From a predictor to its probabilities of the same rows.
    style_control : bool
        Whether the ratings with style control follow those without.
    resamples : int
        Of the bootstrap over prompts.
    kinds : sequence of Kind
        The models of paired comparisons; Davidson's is left out where no vote is a tie.
    """
    sources = {VOTES: votes.target, **{name: _with_tie(own) for name, own in predictions.items()}}
    fitting = [kind for kind in kinds if kind is not Kind.DAVIDSON or votes.target[:, Outcome.TIE].any()]
    styles = [False, True] if style_control and votes.style_names else [False]
    return [
        rate(replace(votes, target=target), source, kind, styled, resamples)
        for styled in styles
        for kind in fitting
        for source, target in sources.items()
    ]


def _with_tie(probabilities: Floats) -> Floats:
    """Return probabilities (n, K) as (n, 3), without a tie where K is 2."""
    target = np.zeros((len(probabilities), len(Outcome)))
    target[:, : probabilities.shape[1]] = probabilities
    return target
