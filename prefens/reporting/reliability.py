"""The section on calibration: how often predicted probabilities come true, before and after rescaling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prefens.core.metrics import calibration_error, log_loss
from prefens.core.types import Floats
from prefens.reporting.plots import ACCENT, MUTED, WARM, calibration_plot, new_figure
from prefens.reporting.section import Plot, ReportTable, Section

UNCALIBRATED = "as it is"
NOTE = (
    "error: classwise expected calibration error (15 bins); part of it is chance and remains in a perfect "
    "prediction. Calibrations are fitted without the fold that they are scored on."
)


class Score(NamedTuple):
    """The calibration error, in [0, 1], and the log loss, in nats, of a prediction."""

    error: float
    log_loss: float


def calibration_section(
    name: str,
    label: NDArray[np.int8],
    calibrations: Mapping[str, Floats],
    others: Mapping[str, Mapping[str, Floats]],
) -> Section:
    """Return the section on the calibration of one method.

    Parameters
    ----------
    name : str
        The method.
    label : ndarray of int8, shape (n,)
        The outcomes.
    calibrations : mapping from str to ndarray of float, shape (n, K)
        From "as it is", and from each calibration, to the method's honest predictions.
    others : mapping from str to such a mapping
        Those of further members or methods, with the same calibrations: they are shown in the table alone.
    """
    scores = {
        method: {form: Score(calibration_error(each, label), log_loss(each, label)) for form, each in forms.items()}
        for method, forms in {name: calibrations, **others}.items()
    }
    rows = [
        {"name": method}
        | {f"error, {form}": score.error for form, score in forms.items()}
        | {f"log loss, {form}": score.log_loss for form, score in forms.items()}
        for method, forms in scores.items()
    ]
    best = min(scores[name], key=lambda form: scores[name][form].log_loss)
    summary = [
        _sentence(name, scores[name], best),
        "A point on the dashed line is a probability that came true as often as it said.",
    ]
    drawn = best if best != UNCALIBRATED else [*calibrations][-1]
    plots = [calibration_plot(calibrations[UNCALIBRATED], label, f"{name}, {UNCALIBRATED}", "reliability")]
    if drawn != UNCALIBRATED:
        plots.append(calibration_plot(calibrations[drawn], label, f"{name}, {drawn}", f"reliability-{drawn}"))
    plots.append(confidence_plot(name, calibrations[UNCALIBRATED], label))
    return Section("calibration", "Calibration", summary, [ReportTable("Before and after", rows, NOTE)], plots)


def _sentence(name: str, scores: Mapping[str, Score], best: str) -> str:
    before, after = scores[UNCALIBRATED], scores[best]
    sentence = f"{name} is off by {100 * before.error:.1f} points on average"
    if best == UNCALIBRATED:
        return f"{sentence}; no calibration lowers its log loss."
    return (
        f"{sentence}; {best} scaling brings log loss from {before.log_loss:.4f} to {after.log_loss:.4f}, and the error "
        f"to {100 * after.error:.1f} points."
    )


def confidence_plot(name: str, probabilities: Floats, label: NDArray[np.int8], bins: int = 20) -> Plot:
    """Draw how confident predictions are, and how often the likeliest outcome came true.

    Parameters
    ----------
    name : str
        Whose predictions they are, for the finding.
    probabilities : ndarray of float, shape (n, K)
        The predictions.
    label : ndarray of int8, shape (n,)
        The outcomes.
    bins : int
        Bins of confidence between 1 / K and 1.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == label
    figure = new_figure(8.0, 3.6)
    left, right = figure.subplots(1, 2)
    least = 1 / probabilities.shape[1]
    edges = np.linspace(least, 1.0, bins + 1)
    row_bin = np.clip(np.digitize(confidence, edges) - 1, 0, bins - 1)
    counts = np.bincount(row_bin, minlength=bins)
    left.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=ACCENT, alpha=0.85, edgecolor="white")
    left.axvline(float(confidence.mean()), color=WARM, linewidth=1.6, label=f"mean {confidence.mean():.3f}")
    left.set(xlabel="probability of the likeliest outcome", ylabel="pairs", xlim=(least, 1))
    left.legend(frameon=False)
    filled = counts > 0
    share = np.bincount(row_bin, correct, minlength=bins)[filled] / counts[filled]
    mean = np.bincount(row_bin, confidence, minlength=bins)[filled] / counts[filled]
    error = 2 * np.sqrt(share * (1 - share) / counts[filled])
    right.plot([least, 1], [least, 1], color=MUTED, linestyle="--", linewidth=1)
    right.errorbar(mean, share, yerr=error, marker="o", markersize=4, linestyle="none", elinewidth=1, color=ACCENT)
    right.set(
        xlabel="probability of the likeliest outcome", ylabel="share that happened", xlim=(least, 1), ylim=(0, 1.02)
    )
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    finding = f"{name} gives its favourite {confidence.mean():.1%} on average; it happened in {correct.mean():.1%}"
    return Plot("confidence", finding, figure)
