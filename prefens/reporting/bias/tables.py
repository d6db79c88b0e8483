"""The tables of the bias audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.types import Floats, Ints
from prefens.reporting.bias.estimator import Estimates, excludes_zero
from prefens.reporting.bias.swapped_duplicates import change_under_swap, verdicts
from prefens.reporting.section import Table

EFFECTS = (
    "P(the response with the trait wins) less P(the other one wins), in pairs where one of the two has it; with 95 % "
    "intervals by bootstrap over prompts. At equal length: word counts within 20 %. Empty: too few pairs. These are "
    "associations: a response with a list may be better in other ways too."
)
DEPARTURES = (
    "Effects of out-of-fold predictions less those of the votes, on the same pairs. clear: effects whose 95 % interval "
    "of the difference excludes 0; one in twenty does so by chance."
)
TIES = "The share of ties among the votes, and the mean predicted probability of a tie; with 95 % intervals."
ORDERS = (
    "Pairs that were judged in both orders. moved: the share of probability that moves when A and B change places; for "
    "votes the share of verdicts that change. Members that are symmetric by construction have 0."
)
WIN_RATES = (
    "P(the first wins) + P(tie) / 2 of the models that meet most often; with 95 % intervals. within: whether the "
    "predicted rate lies in the interval of the observed one; nineteen of twenty should."
)


def effect_table(found: Estimates, names: Sequence[str], title: str = "What moves preference") -> Table:
    """One row per effect, one column per predictor."""
    several = len({effect.topic for effect in found.effects}) > 1
    rows: list[dict[str, Any]] = [
        {"response": effect.name, **({"topic": effect.topic} if several else {}), "pairs": effect.rows}
        | {name: found.cell(name, place) for name in names}
        for place, effect in enumerate(found.effects)
    ]
    return Table(title, rows, EFFECTS, digits=3)


def every_table(found: Estimates, names: Sequence[str]) -> Table:
    """One row per predictor, one column per effect that is known: to be sorted by."""
    known = [place for place in range(len(found.effects)) if found.cell(names[0], place) is not None]
    rows: list[dict[str, Any]] = [
        {"predictor": name} | {found.effects[place].name: found.cell(name, place) for place in known} for name in names
    ]
    return Table("Every effect, of every predictor", rows, "As above: a column is an effect.", digits=3)


def ratio_table(found: Estimates) -> Table:
    """The longer response's effect by length ratio."""
    rows: list[dict[str, Any]] = [
        {"one is longer by": effect.name, "pairs": effect.rows}
        | {name: found.cell(name, place) for name in found.names}
        for place, effect in enumerate(found.effects)
    ]
    note = "P(the response with more words wins) less P(the other one wins), by the ratio of their words."
    return Table("Preference for the longer response", rows, note, digits=3)


def tie_table(found: Estimates) -> Table:
    """Observed and predicted shares of ties."""
    rows: list[dict[str, Any]] = [
        {"pairs with": effect.name, "pairs": effect.rows} | {name: found.cell(name, place) for name in found.names}
        for place, effect in enumerate(found.effects)
    ]
    return Table("Ties, observed and predicted", rows, TIES, digits=3)


def departure_table(found: Estimates, votes: str, names: Sequence[str]) -> Table | None:
    """One row per predictor: how often, and where most, its effects differ from those of the votes."""
    if not names:
        return None
    rows = []
    for name in names:
        gaps = {place: found.difference(name, votes, place) for place in range(len(found.effects))}
        known = {place: gap for place, gap in gaps.items() if gap is not None}
        most = max(known, key=lambda place: abs(known[place][0]), default=None)
        rows.append({
            "predictor": name,
            "effects": len(known),
            "clear": sum(excludes_zero(gap) for gap in known.values()),
            "mean |difference|": float(np.mean([abs(gap[0]) for gap in known.values()])) if known else None,
            "largest": None if most is None else found.effects[most].name,
            "difference": None if most is None else known[most],
        })  # fmt: skip
    return Table("Where predictions depart from the votes", rows, DEPARTURES, digits=3)


def order_table(
    votes: Floats, predictions: Mapping[str, Floats], mates: Ints, bootstrap: GroupBootstrap
) -> Table | None:
    """What changes when A and B change places; None where no pair was judged in both orders."""
    rows = np.flatnonzero(mates >= 0)
    if not len(rows):
        return None
    moved = {f"{name}: moved": change_under_swap(each, mates) for name, each in {"votes": votes, **predictions}.items()}
    kinds = {f"votes: {name}": values for name, values in verdicts(votes, mates).items()}
    shown = {**kinds, **moved}
    within = GroupBootstrap(bootstrap.group[rows], bootstrap.resamples)
    bounds = interval(within.means(np.array(list(shown.values()))))
    cells = [
        {"": name, "share": (float(values.mean()), float(low), float(high))}
        for (name, values), (low, high) in zip(shown.items(), bounds, strict=True)
    ]
    return Table(f"Both orders of the same pair ({len(rows)} rows)", cells, ORDERS, digits=3)


def win_rate_table(found: Estimates, votes: str, names: Sequence[str], judged: str | None) -> Table:
    """Predicted against observed win rates per pair of models; effects on winning d are shown as (1 + d) / 2."""
    rows: list[dict[str, Any]] = []
    for place, effect in enumerate(found.effects):
        cells = {name: win_rate(found.cell(name, place)) for name in names}
        rows.append({"models": effect.name, "pairs": effect.rows, **cells})
        if judged is not None:
            seen, said = cells[votes], cells[judged]
            rows[-1][f"{judged} within"] = seen and said and ("yes" if seen[1] <= said[0] <= seen[2] else "no")
    return Table("Win rates per pair of models", rows, WIN_RATES, digits=3)


def win_rate(cell: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
    """Return a difference in win probability and its interval as a win rate, a tie counting half."""
    return None if cell is None else ((1 + cell[0]) / 2, (1 + cell[1]) / 2, (1 + cell[2]) / 2)
