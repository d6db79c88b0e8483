"""Figures of the leaderboard: how much folds differ, and how training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from prefens.core.types import Floats, Ints
from prefens.reporting.plots import ACCENT, CYCLE, MUTED, WARM, blank
from prefens.reporting.section import Plot

SHOWN = 40  # rows of a figure that still can be read
POINTS = 30  # of a curve: steps are averaged
END = POINTS // 10  # of those are what a curve ends with: a single one is noise


def folds_plot(losses: Mapping[str, Floats], fold: Ints, blends: set[str], references: Mapping[str, float]) -> Plot:
    """Draw each fold's log loss (dots) and the mean (bar) of members and blends, the best on top.

    Parameters
    ----------
    losses : name -> (n,) honest losses in nats; fold : (n,) of each row; blends : names to set off.
    references : name -> log loss in nats, such as that of the class prior.
    """
    names = sorted(losses, key=lambda name: float(losses[name].mean()))[:SHOWN]
    numbers, place = np.unique(fold, return_inverse=True)
    counts = np.bincount(place)
    means = np.array([np.bincount(place, losses[name]) / counts for name in names])  # (names, k)
    whole = np.array([losses[name].mean() for name in names])
    figure, axes = blank(8.0, 1.5 + 0.26 * len(names))
    rows = np.arange(len(names))[::-1]
    colours = [WARM if name in blends else ACCENT for name in names]
    axes.scatter(means.ravel(), np.repeat(rows, len(numbers)), s=22, color=np.repeat(colours, len(numbers)), alpha=0.45)
    axes.scatter(whole, rows, marker="|", s=190, linewidth=2.4, color=colours)
    for style, (name, value) in zip(("--", ":", "-."), references.items(), strict=False):
        axes.axvline(value, color="0.35", linewidth=1.2, linestyle=style, label=name)
    axes.set_yticks(rows, names, fontsize=9 if len(names) < 25 else 7)
    axes.set(xlabel="log loss, nats (dots: folds; bars: all rows; blends in orange)", ylim=(-0.7, len(names) - 0.3))
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    if references:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, fontsize=9)
    between = float(np.ptp(means, axis=1).mean())
    finding = f"The same member differs by {between:.3f} nats between folds; first and last here by {np.ptp(whole):.3f}"
    return Plot("folds", finding, figure)


def curves_plot(curves: Mapping[str, Sequence[Sequence[float]]], prior: float) -> Plot | None:
    """Draw training losses by share of the schedule, folds averaged; None where no member has any.

    Parameters
    ----------
    curves : member -> the curve of each fold, in nats by step; prior : log loss of always predicting the shares.
    """
    smooth = {name: np.mean([_binned(curve) for curve in each], axis=0) for name, each in curves.items() if each}
    if not smooth:
        return None
    figure, axes = blank(8.0, 3.8)
    ranked = sorted(smooth, key=lambda name: float(smooth[name][-END:].mean()))
    share = (np.arange(POINTS) + 0.5) / POINTS
    for name in ranked[len(CYCLE) :]:
        axes.plot(share, smooth[name], color=MUTED, linewidth=0.8, alpha=0.7)
    for name, colour in zip(ranked, CYCLE, strict=False):
        axes.plot(share, smooth[name], color=colour, linewidth=1.6, label=name)
    axes.axhline(prior, color="0.35", linewidth=1.2, linestyle="--", label="class prior")
    axes.set(xlabel="share of the training steps", ylabel="training loss, nats", xlim=(0, 1))
    axes.legend(frameon=False, fontsize=8, ncols=2)
    last = [float(smooth[name][-END:].mean()) for name in (ranked[0], ranked[-1])]
    ends = f"at {last[0]:.3f}" if len(ranked) == 1 else f"between {last[0]:.3f} ({ranked[0]}) and {last[1]:.3f}"
    return Plot("curves", f"Training losses end {ends} nats; the class prior has {prior:.3f}", figure)


def _binned(curve: Sequence[float]) -> Floats:
    """Return a curve of any length as POINTS means over equal parts of the schedule."""
    values = np.asarray(curve, dtype=np.float64)
    steps = (np.arange(len(values)) + 0.5) / len(values)
    part = np.minimum((steps * POINTS).astype(int), POINTS - 1)
    counts = np.bincount(part, minlength=POINTS)
    sums = np.bincount(part, values, minlength=POINTS)
    seen = counts > 0
    centres = (np.arange(POINTS) + 0.5) / POINTS
    return np.interp(centres, centres[seen], sums[seen] / counts[seen])
