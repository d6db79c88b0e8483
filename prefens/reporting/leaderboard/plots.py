"""The figures of the leaderboard: how much folds differ, and how training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from prefens.core.types import Floats, Ints
from prefens.reporting.plots import ACCENT, COLOR_CYCLE, MUTED, WARM, new_axes
from prefens.reporting.section import Plot

MAX_NAMES = 40  # in one figure that can still be read
CURVE_POINTS = 30  # of a training curve: steps are averaged
END_POINTS = CURVE_POINTS // 10  # whose mean is called the end of a curve: a single one is noise


def folds_plot(losses: Mapping[str, Floats], fold: Ints, blends: set[str], references: Mapping[str, float]) -> Plot:
    """Draw each fold's log loss (dots) and the mean (bar) of members and blends, the best on top.

    Parameters
    ----------
    losses : mapping from str to ndarray of float, shape (n,), nats
        From a member or blend to its honest losses.
    fold : ndarray of int64, shape (n,)
        The fold of each row.
    blends : set of str
        Those of the names that are blends.
    references : mapping from str to float, nats
        From a point of reference to its log loss, such as that of the class prior.
    """
    names = sorted(losses, key=lambda name: float(losses[name].mean()))[:MAX_NAMES]
    numbers, index = np.unique(fold, return_inverse=True)
    counts = np.bincount(index)
    fold_means = np.array([np.bincount(index, losses[name]) / counts for name in names])  # (names, k)
    means = np.array([losses[name].mean() for name in names])
    figure, axes = new_axes(8.0, 1.5 + 0.26 * len(names))
    rows = np.arange(len(names))[::-1]
    colors = [WARM if name in blends else ACCENT for name in names]
    dot_colors = np.repeat(colors, len(numbers))
    axes.scatter(fold_means.ravel(), np.repeat(rows, len(numbers)), s=22, color=dot_colors, alpha=0.45)
    axes.scatter(means, rows, marker="|", s=190, linewidth=2.4, color=colors)
    for style, (name, value) in zip(("--", ":", "-."), references.items(), strict=False):
        axes.axvline(value, color="0.35", linewidth=1.2, linestyle=style, label=name)
    axes.set_yticks(rows, names, fontsize=9 if len(names) < 25 else 7)
    axes.set(xlabel="log loss, nats (dots: folds; bars: all rows; blends in orange)", ylim=(-0.7, len(names) - 0.3))
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    if references:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, fontsize=9)
    spread = float(np.ptp(fold_means, axis=1).mean())
    finding = f"The same member differs by {spread:.3f} nats between folds; first and last here by {np.ptp(means):.3f}"
    return Plot("folds", finding, figure)


def curves_plot(curves: Mapping[str, Sequence[Sequence[float]]], prior: float) -> Plot | None:
    """Draw training losses by share of the schedule, folds averaged; None where no member has any.

    Parameters
    ----------
    curves : mapping from str to sequence of sequence of float, nats
        From a member to the training losses of its folds, by step.
    prior : float, nats
        The log loss of always predicting the outcome shares.
    """
    means = {name: np.mean([_resample(curve) for curve in folds], axis=0) for name, folds in curves.items() if folds}
    if not means:
        return None
    figure, axes = new_axes(8.0, 3.8)
    ends = {name: float(mean[-END_POINTS:].mean()) for name, mean in means.items()}
    ranked = sorted(ends, key=lambda name: ends[name])
    share = (np.arange(CURVE_POINTS) + 0.5) / CURVE_POINTS
    for name in ranked[len(COLOR_CYCLE) :]:
        axes.plot(share, means[name], color=MUTED, linewidth=0.8, alpha=0.7)
    for name, color in zip(ranked, COLOR_CYCLE, strict=False):
        axes.plot(share, means[name], color=color, linewidth=1.6, label=name)
    axes.axhline(prior, color="0.35", linewidth=1.2, linestyle="--", label="class prior")
    axes.set(xlabel="share of the training steps", ylabel="training loss, nats", xlim=(0, 1))
    axes.legend(frameon=False, fontsize=8, ncols=2)
    best, worst = ranked[0], ranked[-1]
    end = f"at {ends[best]:.3f}"
    if len(ranked) > 1:
        end = f"between {ends[best]:.3f} ({best}) and {ends[worst]:.3f}"
    return Plot("curves", f"Training losses end {end} nats; the class prior has {prior:.3f}", figure)


def _resample(curve: Sequence[float]) -> Floats:
    """Return a curve of any length as CURVE_POINTS means over equal parts of the schedule."""
    values = np.asarray(curve, dtype=np.float64)
    steps = (np.arange(len(values)) + 0.5) / len(values)
    part = np.minimum((steps * CURVE_POINTS).astype(int), CURVE_POINTS - 1)
    counts = np.bincount(part, minlength=CURVE_POINTS)
    sums = np.bincount(part, values, minlength=CURVE_POINTS)
    filled = counts > 0
    centers = (np.arange(CURVE_POINTS) + 0.5) / CURVE_POINTS
    return np.interp(centers, centers[filled], sums[filled] / counts[filled])
