"""Figures of a blend: weights with intervals, what more members bring, whose errors are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import Floats
from prefens.ensemble.results import BlendResult, Diagnosis
from prefens.reporting.plots import ACCENT, MUTED, WARM, blank, calibration_plot
from prefens.reporting.section import Plot


def blend_plots(names: Sequence[str], found: Diagnosis, best: BlendResult, label: NDArray[np.int8]) -> list[Plot]:
    """Draw all figures of a blend."""
    return [*diagnosis_plots(names, found), calibration_plot(best.probabilities, label, best.method)]


def diagnosis_plots(names: Sequence[str], found: Diagnosis) -> list[Plot]:
    """Draw what is known of the members of a blend."""
    return [
        weights_plot(names, found.weights, found.intervals),
        forward_plot(found.forward),
        correlation_plot(names, found.correlation),
    ]


def weights_plot(names: Sequence[str], weights: Floats, intervals: Floats) -> Plot:
    """Draw (M,) weights with (M, 2) intervals, the largest on top; members that never weigh anything are counted."""
    order = [place for place in np.argsort(weights, kind="stable") if intervals[place, 1] > 0.001]
    figure, axes = blank(8.0, 1.4 + 0.3 * max(len(order), 1))
    rows = np.arange(len(order))
    axes.hlines(rows, intervals[order, 0], intervals[order, 1], color=MUTED, linewidth=2)
    axes.plot(weights[order], rows, "o", color=ACCENT, markersize=6)
    axes.set_yticks(rows, [names[place] for place in order])
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set(xlabel="weight of the lowest log loss (line: 95 % of bootstrap resamples)", xlim=(-0.02, 1.02))
    sure = int((intervals[:, 0] > 0.001).sum())
    title = f"{sure} of {len(names)} members {'has' if sure == 1 else 'have'} a weight in every likely sample"
    return Plot("weights", title, figure)


def forward_plot(losses: Sequence[float]) -> Plot:
    """Draw the honest log loss against the number of members."""
    figure, axes = blank(8.0, 3.6)
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
    """Draw the (M, M) correlation of errors; numbers where there is room for them."""
    size = max(4.0, min(14.0, 2.5 + 0.42 * len(names)))
    figure, axes = blank(size + 2.0, size)
    off = correlation[~np.eye(len(names), dtype=bool)]
    low = float(np.floor(off.min() * 20) / 20) if len(off) else 0.0
    image = axes.imshow(correlation, cmap="cividis", vmin=min(low, 0.95), vmax=1.0)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.spines[:].set_visible(False)
    if len(names) <= 14:
        middle = (image.norm.vmin + 1.0) / 2.0  # type: ignore[operator]
        for row, column in np.ndindex(correlation.shape):
            value = correlation[row, column]
            colour = "white" if value < middle else "black"
            axes.text(column, row, f"{value:.3f}", ha="center", va="center", fontsize=8, color=colour)
    figure.colorbar(image, ax=axes, shrink=0.8, label="correlation of errors")
    title = f"Errors correlate at {off.min():.3f} to {off.max():.3f}" if len(off) else "A single member"
    return Plot("correlation", title, figure)
