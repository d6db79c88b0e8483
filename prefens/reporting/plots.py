"""Figures, in one colour-blind-safe style (Okabe & Ito 2008); each title states the finding."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from textwrap import fill

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from prefens.core.metrics import calibration_error
from prefens.core.types import Floats, Outcome
from prefens.reporting.section import Plot

COLOURS = {Outcome.A_WINS: "#0072B2", Outcome.B_WINS: "#D55E00", Outcome.TIE: "#009E73"}
matplotlib.rcParams["text.parse_math"] = False  # a name may have a dollar in it
ACCENT, WARM, MUTED = "#0072B2", "#D55E00", "0.65"
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # without the yellow: pale on white
NAMES = {Outcome.A_WINS: "A wins", Outcome.B_WINS: "B wins", Outcome.TIE: "tie"}
DPI = 144
LINE = 11  # characters of a finding an inch


def calibration_plot(
    probabilities: Floats, label: NDArray[np.int8], name: str, stem: str = "calibration", bins: int = 10
) -> Plot:
    """Draw reliability curves and a histogram of predictions, per outcome.

    Each point is one tenth of the rows, ordered by predicted probability; bars are two binomial standard errors.
    """
    figure = blank_figure(8.0, 4.0)
    curve, histogram = figure.subplots(1, 2, width_ratios=(1.2, 1.0))
    curve.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
    for outcome in Outcome:
        column, happened = probabilities[:, outcome], label == outcome
        parts = [part for part in np.array_split(np.argsort(column, kind="stable"), bins) if len(part)]
        shown = np.array([column[part].mean() for part in parts])
        seen = np.array([happened[part].mean() for part in parts])
        error = 2.0 * np.sqrt(seen * (1.0 - seen) / np.array([len(part) for part in parts]))
        style = {"color": COLOURS[outcome], "label": NAMES[outcome]}
        curve.errorbar(shown, seen, yerr=error, marker="o", markersize=4, linewidth=1.5, elinewidth=1, **style)
        histogram.hist(column, bins=30, range=(0, 1), histtype="step", linewidth=1.5, **style)
    curve.set(xlabel="predicted probability", ylabel="observed share", xlim=(0, 1), ylim=(0, 1))
    histogram.set(xlabel="predicted probability", ylabel="pairs")
    curve.legend(frameon=False)
    for axes in (curve, histogram):
        axes.spines[["top", "right"]].set_visible(False)
    error_shown = calibration_error(probabilities, label)
    return Plot(stem, f"{name}: predictions are off by {100 * error_shown:.1f} points on average", figure)


def blank(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of that many inches with one plain pair of axes."""
    figure = blank_figure(width, height)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def blank_figure(width: float, height: float) -> Figure:
    """Return a figure of that many inches without axes."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def logarithmic(axes: Axes, told: Callable[[float], str]) -> None:
    """Make the x axis logarithmic, labelled by `told`: matplotlib's powers of ten need the math that is off."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: told(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def png(plot: Plot, titled: bool = True) -> bytes:
    """Return a figure as PNG; `titled` with its finding above it, as a file that goes its own way needs it."""
    stream = BytesIO()
    imsave(stream, np.vstack([heading(plot).pixels, plot.pixels]) if titled else plot.pixels, format="png")
    return stream.getvalue()


def heading(plot: Plot) -> Plot:
    """Return the finding of a figure as a figure of its own, as wide and with as many lines as it takes."""
    width = plot.figure.get_figwidth()
    text = fill(plot.finding, int(LINE * width))
    figure = Figure(figsize=(width, 0.1 + 0.22 * len(text.splitlines())), dpi=DPI)
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=11)
    return Plot(f"{plot.name}-heading", plot.finding, figure)


def save(plot: Plot, folder: Path) -> Path:
    """Write a figure into a folder as PNG, with its finding; return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plot.name}.png"
    path.write_bytes(png(plot))
    return path
