"""Helpers that draw and write figures, in one style that the colour-blind can read (Okabe & Ito 2008)."""

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

from prefens.core.files import atomic_write
from prefens.core.metrics import calibration_error
from prefens.core.types import Floats, Outcome, outcomes
from prefens.reporting.section import Plot

OUTCOME_COLORS = {Outcome.A_WINS: "#0072B2", Outcome.B_WINS: "#D55E00", Outcome.TIE: "#009E73"}
matplotlib.rcParams["text.parse_math"] = False  # a name may have a dollar in it
ACCENT, WARM, MUTED = "#0072B2", "#D55E00", "0.65"
COLOR_CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # without the yellow: pale on white
OUTCOME_TITLES = {Outcome.A_WINS: "A wins", Outcome.B_WINS: "B wins", Outcome.TIE: "tie"}
DPI = 144
CHARS_PER_INCH = 11  # of a finding above a figure


def calibration_plot(
    probabilities: Floats, label: NDArray[np.int8], name: str, stem: str = "calibration", bins: int = 10
) -> Plot:
    """Draw reliability curves and a histogram of predictions, per outcome.

    Each point of a curve is the mean of rows of similar predicted probability; bars are two binomial standard errors.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, K)
        The predictions.
    label : ndarray of int8, shape (n,)
        The outcomes.
    name : str
        Whose predictions they are, for the finding.
    stem : str
        The name of the plot.
    bins : int
        Points of each curve, with equally many rows.
    """
    figure = new_figure(8.0, 4.0)
    curve, histogram = figure.subplots(1, 2, width_ratios=(1.2, 1.0))
    curve.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
    for outcome in outcomes(probabilities.shape[1]):
        column, is_outcome = probabilities[:, outcome], label == outcome
        parts = [part for part in np.array_split(np.argsort(column, kind="stable"), bins) if len(part)]
        predicted = np.array([column[part].mean() for part in parts])
        observed = np.array([is_outcome[part].mean() for part in parts])
        error = 2.0 * np.sqrt(observed * (1.0 - observed) / np.array([len(part) for part in parts]))
        style = {"color": OUTCOME_COLORS[outcome], "label": OUTCOME_TITLES[outcome]}
        curve.errorbar(predicted, observed, yerr=error, marker="o", markersize=4, linewidth=1.5, elinewidth=1, **style)
        histogram.hist(column, bins=30, range=(0, 1), histtype="step", linewidth=1.5, **style)
    curve.set(xlabel="predicted probability", ylabel="observed share", xlim=(0, 1), ylim=(0, 1))
    histogram.set(xlabel="predicted probability", ylabel="pairs")
    curve.legend(frameon=False)
    for axes in (curve, histogram):
        axes.spines[["top", "right"]].set_visible(False)
    points = 100 * calibration_error(probabilities, label)
    return Plot(stem, f"{name}: predictions are off by {points:.1f} points on average", figure)


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of this size in inches, and its single pair of axes."""
    figure = new_figure(width, height)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of this size in inches, without axes."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def log_x_axis(axes: Axes, tick_label: Callable[[float], str]) -> None:
    """Make the x axis logarithmic; matplotlib's own tick labels need its math mode, which is off."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_label(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def to_png(plot: Plot, titled: bool = True) -> bytes:
    """Return a figure as PNG, with its finding above it if `titled`."""
    stream = BytesIO()
    imsave(stream, np.vstack([heading(plot).pixels, plot.pixels]) if titled else plot.pixels, format="png")
    return stream.getvalue()


def heading(plot: Plot) -> Plot:
    """Return a plot that shows the finding of another plot: as wide as that, and as high as its lines need."""
    width = plot.figure.get_figwidth()
    text = fill(plot.finding, int(CHARS_PER_INCH * width))
    figure = Figure(figsize=(width, 0.1 + 0.22 * len(text.splitlines())), dpi=DPI)
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=11)
    return Plot(f"{plot.name}-heading", plot.finding, figure)


def save_plot(plot: Plot, folder: Path) -> Path:
    """Write a figure with its finding to `folder`/NAME.png, atomically, and return the path.

    Raises
    ------
    OSError
        The file can't be written.
    """
    path, png = folder / f"{plot.name}.png", to_png(plot)
    with atomic_write(path) as tmp:
        tmp.write_bytes(png)
    return path
