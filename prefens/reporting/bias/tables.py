"""The tables of the bias audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.errors import counted
from prefens.core.types import Floats, Ints
from prefens.reporting.bias.estimator import Estimate, Estimates
from prefens.reporting.bias.swapped_duplicates import change_under_swap, swapped_verdicts
from prefens.reporting.section import ReportTable

EFFECTS_NOTE = (
    "P(the response with the trait wins) less P(the other one wins), in pairs where one of the two has it; with 95 % "
    "intervals by bootstrap over prompts. At equal length: word counts within 20 %. Empty: too few pairs. These are "
    "associations: a response with a list may be better in other ways too."
)
DEPARTURES_NOTE = (
    "Effects of out-of-fold predictions less those of the votes, on the same pairs. clear: effects whose 95 % interval "
    "of the difference excludes 0; one in twenty does so by chance."
)
TIES_NOTE = "The share of ties among the votes, and the mean predicted probability of a tie; with 95 % intervals."
SWAP_NOTE = (
    "Pairs that were judged in both orders. moved: the share of probability that moves when A and B change places; for "
    "votes the share of verdicts that change. Members that are symmetric by construction have 0."
)
WIN_RATES_NOTE = (
    "P(the first wins){} of the models that meet most often; with 95 % intervals. within: whether the "
    "predicted rate lies in the interval of the observed one; nineteen of twenty should."
)


def effect_table(estimates: Estimates, predictors: Sequence[str], title: str = "What moves preference") -> ReportTable:
    """Return a table of one row per effect and one column per predictor."""
    topics = len({effect.topic for effect in estimates.effects}) > 1
    rows: list[dict[str, Any]] = [
        {"response": effect.name, **({"topic": effect.topic} if topics else {}), "pairs": effect.n_pairs}
        | {name: estimates.estimate(name, index) for name in predictors}
        for index, effect in enumerate(estimates.effects)
    ]
    return ReportTable(title, rows, EFFECTS_NOTE, digits=3)


def predictor_table(estimates: Estimates) -> ReportTable:
    """Return a table of one row per predictor and one column per effect, to be sorted by effects."""
    rows: list[dict[str, Any]] = [
        {"predictor": name}
        | {
            estimates.effects[index].name: estimates.estimate(name, index)
            for index in estimates.estimated(estimates.names[0])
        }
        for name in estimates.names
    ]
    return ReportTable("Every effect, of every predictor", rows, "As above: a column is an effect.", digits=3)


def length_effect_table(estimates: Estimates) -> ReportTable:
    """Return a table of the longer response's effect by length ratio."""
    rows: list[dict[str, Any]] = [
        {"one is longer by": effect.name, "pairs": effect.n_pairs}
        | {name: estimates.estimate(name, index) for name in estimates.names}
        for index, effect in enumerate(estimates.effects)
    ]
    note = "P(the response with more words wins) less P(the other one wins), by the ratio of their words."
    return ReportTable("Preference for the longer response", rows, note, digits=3)


def tie_table(estimates: Estimates) -> ReportTable:
    """Return a table of observed and predicted shares of ties."""
    rows: list[dict[str, Any]] = [
        {"pairs with": effect.name, "pairs": effect.n_pairs}
        | {name: estimates.estimate(name, index) for name in estimates.names}
        for index, effect in enumerate(estimates.effects)
    ]
    return ReportTable("Ties, observed and predicted", rows, TIES_NOTE, digits=3)


def departure_table(estimates: Estimates, votes: str, predictors: Sequence[str]) -> ReportTable:
    """Return a table of one row per predictor: how often, and where most, its effects differ from the votes'."""
    rows = []
    for name in predictors:
        gaps = {index: estimates.difference(name, votes, index) for index in range(len(estimates.effects))}
        estimated = {index: gap for index, gap in gaps.items() if gap is not None}
        largest = max(estimated, key=lambda index: abs(estimated[index].value), default=None)
        mean = float(np.mean([abs(gap.value) for gap in estimated.values()])) if estimated else None
        rows.append(
            {
                "predictor": name,
                "effects": len(estimated),
                "clear": sum(gap.excludes_zero for gap in estimated.values()),
                "mean |difference|": mean,
                "largest": None if largest is None else estimates.effects[largest].name,
                "difference": None if largest is None else estimated[largest],
            }
        )
    return ReportTable("Where predictions depart from the votes", rows, DEPARTURES_NOTE, digits=3)


def swap_table(
    votes: Floats, predictions: Mapping[str, Floats], duplicates: Ints, bootstrap: GroupBootstrap
) -> ReportTable:
    """Return a table of what changes when A and B change places; without rows where no pair was judged both ways.

    Parameters
    ----------
    votes : ndarray of float, shape (n, K)
        One-hot votes.
    predictions : mapping from str to ndarray of float, shape (n, K)
        Those of each predictor.
    duplicates : ndarray of int64, shape (n,)
        The row of each row's swapped duplicate, or -1.
    bootstrap : GroupBootstrap
        The resamples of the n pairs.
    """
    rows = np.flatnonzero(duplicates >= 0)
    title = f"Both orders of the same pair ({counted(len(rows), 'row')})"
    if not len(rows):
        return ReportTable(title, [])
    shares = {f"votes: {name}": values for name, values in swapped_verdicts(votes, duplicates).items()}
    for name, probabilities in {"votes": votes, **predictions}.items():
        shares[f"{name}: moved"] = change_under_swap(probabilities, duplicates)
    resamples = GroupBootstrap(bootstrap.group[rows], bootstrap.resamples)
    bounds = interval(resamples.means(np.array(list(shares.values()))))
    cells = [
        {"": name, "share": Estimate(float(values.mean()), float(low), float(high))}
        for (name, values), (low, high) in zip(shares.items(), bounds, strict=True)
    ]
    return ReportTable(title, cells, SWAP_NOTE, digits=3)


def win_rate_table(
    estimates: Estimates, votes: str, predictors: Sequence[str], judged: str | None, n_outcomes: int = 3
) -> ReportTable:
    """Return a table of predicted against observed win rates per pair of models.

    Parameters
    ----------
    estimates : Estimates
        The effects of pairs of models on winning.
    votes : str
        The name of the votes among the predictors of `estimates`.
    predictors : sequence of str
        Those that get a column.
    judged : str or None
        The predictor of which the table says whether it is within the votes' intervals.
    n_outcomes : int
        K, which says whether there are ties.
    """
    rows: list[dict[str, Any]] = []
    for index, effect in enumerate(estimates.effects):
        rates = {name: win_rate(estimates.estimate(name, index)) for name in predictors}
        row: dict[str, Any] = {"models": effect.name, "pairs": effect.n_pairs, **rates}
        if judged is not None:
            observed, predicted = rates[votes], rates[judged]
            row[f"{judged} within"] = observed and predicted and ("yes" if inside(predicted, observed) else "no")
        rows.append(row)
    note = WIN_RATES_NOTE.format(" + P(tie) / 2" if n_outcomes == 3 else "")
    return ReportTable("Win rates per pair of models", rows, note, digits=3)


def inside(predicted: Estimate, observed: Estimate) -> bool:
    """Whether a predicted value is in the interval of an observed one."""
    return observed.low <= predicted.value <= observed.high


def win_rate(effect: Estimate | None) -> Estimate | None:
    """Return a difference in win probability as a win rate, in which a tie counts half."""
    return None if effect is None else Estimate(*((1 + number) / 2 for number in effect))
