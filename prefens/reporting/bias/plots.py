"""The figures of the bias audit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from prefens.core.types import Floats, Ints
from prefens.reporting.bias.estimator import Estimates, excludes_zero
from prefens.reporting.bias.swapped_duplicates import verdicts
from prefens.reporting.bias.tables import win_rate
from prefens.reporting.plots import ACCENT, MUTED, blank
from prefens.reporting.section import Plot

# Okabe & Ito (2008); the votes are black.
PALETTE = ("black", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
LINES = 3  # predictors in one figure of many effects
DIFFERENCE = "difference in win probability (line: 95 % interval)"
Cell = tuple[float, float, float]


def forest_plot(found: Estimates, names: Sequence[str]) -> Plot | None:
    """Draw every known main effect with its interval, one colour a predictor."""
    places = _known(found, names[0])
    if not places:
        return None
    clear = [place for place in places if excludes_zero(found.cell(names[0], place))]
    strongest = max(clear, key=lambda place: abs(found.value[0, place]), default=None)
    finding = f"{len(clear)} of {len(places)} effects on the votes are clear of zero"
    if strongest is not None:
        value = found.value[0, strongest]
        more = f"{abs(100 * value):.0f} points {'more' if value > 0 else 'less'} often"
        finding += f"; the strongest: a response {found.effects[strongest].name} wins {more}"
    return _forest("bias-effects", finding, found, names, places)


def family_plot(found: Estimates, names: Sequence[str]) -> Plot | None:
    """Draw the effect of each model family, the strongest on top."""
    places = sorted(_known(found, names[0]), key=lambda place: -float(found.value[0, place]))
    if len(places) < 2:
        return None
    best, worst = (found.effects[places[at]].name for at in (0, -1))
    most, least = (100 * float(found.value[0, places[at]]) for at in (0, -1))
    finding = f"Wins less losses against all others: from {most:+.0f} points for {best} to {least:+.0f} for {worst}"
    return _forest("bias-families", finding, found, names, places)


def _forest(stem: str, finding: str, found: Estimates, names: Sequence[str], places: Sequence[int]) -> Plot:
    names = names[:LINES]
    figure, axes = blank(9.0, 1.2 + (0.12 + 0.06 * len(names)) * len(places))
    rows = np.arange(len(places), dtype=np.float64)
    axes.axvline(0.0, color=MUTED, linewidth=1)
    for at, name in enumerate(names):
        cells = [found.cell(name, place) for place in places]
        shift = (at - (len(names) - 1) / 2) * 0.7 / len(names)
        _dots(axes, cells, rows + shift, PALETTE[at % len(PALETTE)], name)
    labels = [f"{found.effects[place].name} ({found.effects[place].rows:,})" for place in places]
    axes.set_yticks(rows, labels, fontsize=8)
    axes.set(xlabel=DIFFERENCE, ylim=(len(places) - 0.5, -0.5))
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return Plot(stem, finding, figure)


def _dots(axes: Axes, cells: Sequence[Cell | None], rows: Floats, colour: str, name: str) -> None:
    known = [(row, cell) for row, cell in zip(rows, cells, strict=True) if cell is not None]
    if known:
        at = np.array([row for row, _ in known])
        value, low, high = np.array([cell for _, cell in known]).T
        axes.hlines(at, low, high, color=colour, linewidth=1.3)
        axes.plot(value, at, "o", color=colour, markersize=3.5, label=name)


def ratio_plot(found: Estimates) -> Plot | None:
    """Draw the longer response's effect against the ratio of words."""
    places = _known(found, found.names[0])
    if len(places) < 2:
        return None
    figure, axes = blank(8.0, 4.0)
    axes.axhline(0.0, color=MUTED, linewidth=1)
    names = found.names[:LINES]
    for at, name in enumerate(names):
        value, low, high = np.array([found.cell(name, place) for place in places]).T
        where = np.array(places) + (at - (len(names) - 1) / 2) * 0.12
        axes.plot(where, value, "-o", color=PALETTE[at], markersize=4, linewidth=1.5, label=name)
        axes.vlines(where, low, high, color=PALETTE[at], linewidth=1.2)
    axes.set_xticks(places, [f"{found.effects[p].name}\n({found.effects[p].rows:,})" for p in places], fontsize=8)
    axes.set(
        xlabel="how much longer the longer response is, in words (pairs)", ylabel="P(longer wins) - P(shorter wins)"
    )
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    first, last = (100 * float(found.value[0, places[at]]) for at in (0, -1))
    return Plot(
        "bias-length",
        f"Wins less losses of the longer response: {first:+.0f} points if longer by {found.effects[places[0]].name}, "
        f"{last:+.0f} points if {found.effects[places[-1]].name}",
        figure,
    )  # fmt: skip


def order_plot(votes: Floats, mates: Ints) -> Plot | None:
    """Draw what becomes of verdicts when A and B change places; None where no pair was judged in both orders."""
    shares = {name: float(values.mean()) for name, values in verdicts(votes, mates).items() if len(values)}
    if not shares:
        return None
    figure, axes = blank(8.0, 2.4)
    rows = np.arange(len(shares))
    axes.barh(rows, list(shares.values()), color=[ACCENT, *["#D55E00"] * (len(shares) - 1)], height=0.6)
    for row, share in enumerate(shares.values()):
        axes.text(share + 0.01, row, f"{share:.1%}", va="center", fontsize=9)
    axes.set_yticks(rows, list(shares))
    axes.set(xlim=(0, 1), xlabel="share of pairs that were judged in both orders")
    axes.invert_yaxis()
    first, second = shares["the first shown both times"], shares["the second shown both times"]
    finding = f"{1 - shares['the same verdict']:.0%} of verdicts change with the order"
    return Plot(
        "bias-orders", f"{finding}; {first:.0%} go to the first shown both times, {second:.0%} to the second", figure
    )


def model_pair_plot(found: Estimates, votes: str, name: str | None) -> Plot | None:
    """Draw predicted against observed win rates of pairs of models."""
    places = _known(found, votes) if found.effects and name is not None else []
    if name is None or not places:
        return None
    seen = np.array([win_rate(found.cell(votes, place)) for place in places])
    said = np.array([win_rate(found.cell(name, place)) for place in places])[:, 0]
    figure, axes = blank(7.0, 5.0)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
    axes.hlines(said, seen[:, 1], seen[:, 2], color=MUTED, linewidth=1)
    axes.plot(seen[:, 0], said, "o", color=ACCENT, markersize=4)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="observed win rate (line: 95 % interval)", ylabel=f"predicted by {name}")
    inside = int(((seen[:, 1] <= said) & (said <= seen[:, 2])).sum())
    return Plot(
        "bias-model-pairs",
        f"{name}: the win rates of {inside} of {len(places)} pairs of models are predicted within their intervals",
        figure,
    )


def _known(found: Estimates, name: str) -> list[int]:
    return [place for place in range(len(found.effects)) if found.cell(name, place) is not None]
