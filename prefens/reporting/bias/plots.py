"""The figures of the bias audit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from prefens.core.types import Floats, Ints
from prefens.reporting.bias.estimator import Estimate, Estimates
from prefens.reporting.bias.swapped_duplicates import swapped_verdicts
from prefens.reporting.bias.tables import inside, win_rate
from prefens.reporting.plots import ACCENT, MUTED, WARM, new_axes
from prefens.reporting.section import Plot

# Okabe & Ito (2008); the votes are black.
PALETTE = ("black", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
MAX_PREDICTORS = 3  # in one figure of many effects
DIFFERENCE_LABEL = "difference in win probability (line: 95 % interval)"


def effects_plot(estimates: Estimates, predictors: Sequence[str]) -> Plot | None:
    """Draw the effects that the first predictor has, with their intervals; None where it has none."""
    indices = estimates.estimated(predictors[0])
    if not indices:
        return None
    values = {index: estimates.estimate(predictors[0], index) for index in indices}
    clear = {index: each.value for index, each in values.items() if each is not None and each.excludes_zero}
    finding = f"{len(clear)} of {len(indices)} effects on the votes are clear of zero"
    if clear:
        strongest = max(clear, key=lambda index: abs(clear[index]))
        value = clear[strongest]
        more = f"{abs(100 * value):.0f} points {'more' if value > 0 else 'less'} often"
        finding += f"; the strongest: a response {estimates.effects[strongest].name} wins {more}"
    return _forest_plot("bias-effects", finding, estimates, predictors, indices)


def family_plot(estimates: Estimates, predictors: Sequence[str]) -> Plot | None:
    """Draw the effect of each model family, the strongest on top; None where there are fewer than two."""
    indices = sorted(estimates.estimated(predictors[0]), key=lambda index: -float(estimates.values[0, index]))
    if len(indices) < 2:
        return None
    best, worst = (estimates.effects[indices[end]].name for end in (0, -1))
    most, least = (100 * float(estimates.values[0, indices[end]]) for end in (0, -1))
    finding = f"Wins less losses against all others: from {most:+.0f} points for {best} to {least:+.0f} for {worst}"
    return _forest_plot("bias-families", finding, estimates, predictors, indices)


def _forest_plot(
    stem: str, finding: str, estimates: Estimates, predictors: Sequence[str], indices: Sequence[int]
) -> Plot:
    predictors = predictors[:MAX_PREDICTORS]
    figure, axes = new_axes(9.0, 1.2 + (0.12 + 0.06 * len(predictors)) * len(indices))
    rows = np.arange(len(indices), dtype=np.float64)
    axes.axvline(0.0, color=MUTED, linewidth=1)
    for number, name in enumerate(predictors):
        shift = (number - (len(predictors) - 1) / 2) * 0.7 / len(predictors)
        _draw_estimates(
            axes, [estimates.estimate(name, index) for index in indices], rows + shift, PALETTE[number], name
        )
    labels = [f"{estimates.effects[index].name} ({estimates.effects[index].n_pairs:,})" for index in indices]
    axes.set_yticks(rows, labels, fontsize=8)
    axes.set(xlabel=DIFFERENCE_LABEL, ylim=(len(indices) - 0.5, -0.5))
    if len(predictors) > 1:
        axes.legend(frameon=False, fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return Plot(stem, finding, figure)


def _draw_estimates(axes: Axes, estimates: Sequence[Estimate | None], rows: Floats, color: str, name: str) -> None:
    drawn = [(row, *estimate) for row, estimate in zip(rows, estimates, strict=True) if estimate is not None]
    if drawn:
        y, value, low, high = np.array(drawn).T
        axes.hlines(y, low, high, color=color, linewidth=1.3)
        axes.plot(value, y, "o", color=color, markersize=3.5, label=name)


def length_effect_plot(estimates: Estimates) -> Plot | None:
    """Draw the longer response's effect against the ratio of words; None where fewer than two ratios have one."""
    indices = estimates.estimated(estimates.names[0])
    if len(indices) < 2:
        return None
    figure, axes = new_axes(8.0, 4.0)
    axes.axhline(0.0, color=MUTED, linewidth=1)
    names = estimates.names[:MAX_PREDICTORS]
    for number, name in enumerate(names):
        value, low, high = np.array([estimates.estimate(name, index) for index in indices]).T
        x = np.array(indices) + (number - (len(names) - 1) / 2) * 0.12
        axes.plot(x, value, "-o", color=PALETTE[number], markersize=4, linewidth=1.5, label=name)
        axes.vlines(x, low, high, color=PALETTE[number], linewidth=1.2)
    labels = [f"{estimates.effects[index].name}\n({estimates.effects[index].n_pairs:,})" for index in indices]
    axes.set_xticks(indices, labels, fontsize=8)
    axes.set(
        xlabel="how much longer the longer response is, in words (pairs)", ylabel="P(longer wins) - P(shorter wins)"
    )
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    first, last = (100 * float(estimates.values[0, indices[end]]) for end in (0, -1))
    shortest, longest = (estimates.effects[indices[end]].name for end in (0, -1))
    finding = f"{first:+.0f} points if longer by {shortest}, {last:+.0f} points if {longest}"
    return Plot("bias-length", f"Wins less losses of the longer response: {finding}", figure)


def swap_plot(votes: Floats, duplicates: Ints) -> Plot | None:
    """Draw how verdicts change when A and B change places; None where no pair was judged in both orders.

    Parameters
    ----------
    votes : ndarray of float, shape (n, K)
        One-hot votes.
    duplicates : ndarray of int64, shape (n,)
        The row of each row's swapped duplicate, or -1.
    """
    verdicts = swapped_verdicts(votes, duplicates)
    shares = {name: float(values.mean()) for name, values in verdicts.items() if len(values)}
    if not shares:
        return None
    figure, axes = new_axes(8.0, 2.4)
    rows = np.arange(len(shares))
    axes.barh(rows, list(shares.values()), color=[ACCENT, *[WARM] * (len(shares) - 1)], height=0.6)
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


def model_pair_plot(estimates: Estimates, votes: str, predictor: str | None) -> Plot | None:
    """Draw predicted against observed win rates of pairs of models; None where there are none."""
    indices = estimates.estimated(votes) if estimates.effects and predictor is not None else []
    if predictor is None or not indices:
        return None
    observed = [win_rate(estimates.estimate(votes, index)) for index in indices]
    predicted = [win_rate(estimates.estimate(predictor, index)) for index in indices]
    value, low, high = np.array(observed).T
    y = np.array(predicted)[:, 0]
    figure, axes = new_axes(7.0, 5.0)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
    axes.hlines(y, low, high, color=MUTED, linewidth=1)
    axes.plot(value, y, "o", color=ACCENT, markersize=4)
    label = f"predicted by {predictor}"
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="observed win rate (line: 95 % interval)", ylabel=label)
    within = sum(inside(one, other) for one, other in zip(predicted, observed, strict=True) if one and other)
    finding = f"the win rates of {within} of {len(indices)} pairs of models are predicted within their intervals"
    return Plot("bias-model-pairs", f"{predictor}: {finding}", figure)
