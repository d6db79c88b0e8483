"""The figures of a blend: weights with intervals, what more members bring, and whose errors are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import Floats
from prefens.ensemble.results import BlendResult, Diagnosis
from prefens.reporting.plots import ACCENT, MUTED, WARM, calibration_plot, new_axes
from prefens.reporting.section import Plot

MIN_WEIGHT = 0.001  # a bound below it is called 0
MAX_NUMBERED = 14  # members whose correlations are written as numbers too


def blend_plots(names: Sequence[str], diagnosis: Diagnosis, best: BlendResult, label: NDArray[np.int8]) -> list[Plot]:
    """Draw all figures of a blend.

    Parameters
    ----------
    names : sequence of str
        The M members.
    diagnosis : Diagnosis
        That of the members.
    best : BlendResult
        The method whose calibration is drawn.
    label : ndarray of int8, shape (n,)
        The outcomes.
    """
    return [*diagnosis_plots(names, diagnosis), calibration_plot(best.probabilities, label, best.method)]


def diagnosis_plots(names: Sequence[str], diagnosis: Diagnosis) -> list[Plot]:
    """Draw the diagnosis of the members of a blend."""
    return [
        weights_plot(names, diagnosis.weights, diagnosis.intervals),
        forward_plot(diagnosis.forward),
        correlation_plot(names, diagnosis.correlation),
    ]


def weights_plot(names: Sequence[str], weights: Floats, intervals: Floats) -> Plot:
    """Draw the weights of members, the largest on top; members that have none in any likely sample are left out.

    Parameters
    ----------
    names : sequence of str
        The M members.
    weights : ndarray of float, shape (M,), in [0, 1]
        Their weights.
    intervals : ndarray of float, shape (M, 2)
        The 95 % intervals of the weights.
    """
    order = [index for index in np.argsort(weights, kind="stable") if intervals[index, 1] > MIN_WEIGHT]
    figure, axes = new_axes(8.0, 1.4 + 0.3 * max(len(order), 1))
    rows = np.arange(len(order))
    axes.hlines(rows, intervals[order, 0], intervals[order, 1], color=MUTED, linewidth=2)
    axes.plot(weights[order], rows, "o", color=ACCENT, markersize=6)
    axes.set_yticks(rows, [names[index] for index in order])
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set(xlabel="weight in log_loss (line: 95 % of bootstrap resamples)", xlim=(-0.02, 1.02))
    certain = int((intervals[:, 0] > MIN_WEIGHT).sum())
    finding = f"{certain} of {len(names)} members {'has' if certain == 1 else 'have'} a weight in every likely sample"
    return Plot("weights", finding, figure)


def forward_plot(losses: Sequence[float]) -> Plot:
    """Draw the honest log loss, in nats, of blends of 1, 2, ... members."""
    figure, axes = new_axes(8.0, 3.6)
    counts = np.arange(1, len(losses) + 1)
    best = int(np.argmin(losses))
    axes.plot(counts, losses, "-o", color=ACCENT, markersize=4, linewidth=1.5)
    axes.plot(counts[best], losses[best], "o", markersize=10, markerfacecolor="none", color=WARM)
    axes.set(xlabel="members in the blend, the most useful first", ylabel="honest log loss, nats")
    axes.set_xticks(counts[:: 1 + len(losses) // 15])
    gain = losses[0] - losses[best]
    members = f"{best + 1} members bring" if best else "One member is enough: more bring"
    return Plot("forward", f"{members} {gain:.4f} nats over the first one", figure)


def correlation_plot(names: Sequence[str], correlation: Floats) -> Plot:
    """Draw the correlation, shape (M, M), of the errors of M members; as numbers too where there is room for them."""
    size = max(4.0, min(14.0, 2.5 + 0.42 * len(names)))
    figure, axes = new_axes(size + 2.0, size)
    off_diagonal = correlation[~np.eye(len(names), dtype=bool)]
    low = float(np.floor(off_diagonal.min() * 20) / 20) if len(off_diagonal) else 0.0
    image = axes.imshow(correlation, cmap="cividis", vmin=min(low, 0.95), vmax=1.0)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.spines[:].set_visible(False)
    if len(names) <= MAX_NUMBERED:
        middle = (image.norm.vmin + 1.0) / 2.0  # type: ignore[operator]
        for row, column in np.ndindex(correlation.shape):
            value = correlation[row, column]
            color = "white" if value < middle else "black"
            axes.text(column, row, f"{value:.3f}", ha="center", va="center", fontsize=8, color=color)
    figure.colorbar(image, ax=axes, shrink=0.8, label="correlation of errors")
    finding = "A single member"
    if len(off_diagonal):
        finding = f"Errors correlate at {off_diagonal.min():.3f} to {off_diagonal.max():.3f}"
    return Plot("correlation", finding, figure)
