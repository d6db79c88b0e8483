"""Calibration as a section: what predicted probabilities come true, before and after rescaling."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from prefens.core.metrics import calibration_error, log_loss
from prefens.core.types import Floats
from prefens.reporting.plots import ACCENT, MUTED, WARM, blank_figure, calibration_plot
from prefens.reporting.section import Plot, Section, Table


def calibration_section(
    name: str, label: NDArray[np.int8], forms: Mapping[str, Floats], others: Mapping[str, Mapping[str, Floats]]
) -> Section:
    """Return the section of one prediction.

    Parameters
    ----------
    name : whose; label : (n,).
    forms : "as it is", then calibration -> (n, K) honest probabilities.
    others : further members or methods, likewise, for the table alone.
    """
    scored = {
        own: {form: (calibration_error(each, label), log_loss(each, label)) for form, each in given.items()}
        for own, given in {name: forms, **others}.items()
    }
    rows = [
        {"name": own}
        | {f"error, {form}": found[0] for form, found in each.items()}
        | {f"log loss, {form}": found[1] for form, found in each.items()}
        for own, each in scored.items()
    ]
    best = min(scored[name], key=lambda form: scored[name][form][1])
    (before, loss), (after, lowest) = next(iter(scored[name].values())), scored[name][best]
    told = f"{name} is off by {100 * before:.1f} points on average"
    if best == next(iter(forms)):
        told += "; no calibration lowers its log loss."
    else:
        told += f"; {best} scaling brings log loss from {loss:.4f} to {lowest:.4f}"
        told += f", and the error to {100 * after:.1f} points."
    note = (
        "error: classwise expected calibration error (15 bins); part of it is chance and remains in a perfect "
        "prediction. Calibrations are fitted without the fold that they are scored on."
    )
    plots = [
        calibration_plot(each, label, f"{name}, {form}", "reliability" if not place else f"reliability-{form}")
        for place, (form, each) in enumerate(forms.items())
        if not place or form == (best if best != next(iter(forms)) else [*forms][-1])
    ]
    summary = [told, "A point on the dashed line is a probability that came true as often as it said."]
    return Section(
        "calibration",
        "Calibration",
        summary,
        [Table("Before and after", rows, note)],
        [*plots, confidence_plot(name, next(iter(forms.values())), label)],
    )


def confidence_plot(name: str, probabilities: Floats, label: NDArray[np.int8], bins: int = 20) -> Plot:
    """Draw how sure (n, K) predictions are, and how often the likeliest outcome happened."""
    sure = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == label
    figure = blank_figure(8.0, 3.6)
    left, right = figure.subplots(1, 2)
    least = 1 / probabilities.shape[1]
    edges = np.linspace(least, 1.0, bins + 1)
    place = np.clip(np.digitize(sure, edges) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    left.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=ACCENT, alpha=0.85, edgecolor="white")
    left.axvline(float(sure.mean()), color=WARM, linewidth=1.6, label=f"mean {sure.mean():.3f}")
    left.set(xlabel="probability of the likeliest outcome", ylabel="pairs", xlim=(least, 1))
    left.legend(frameon=False)
    seen = counts > 0
    share = np.bincount(place, hit, minlength=bins)[seen] / counts[seen]
    mean = np.bincount(place, sure, minlength=bins)[seen] / counts[seen]
    error = 2 * np.sqrt(share * (1 - share) / counts[seen])
    right.plot([least, 1], [least, 1], color=MUTED, linestyle="--", linewidth=1)
    right.errorbar(mean, share, yerr=error, marker="o", markersize=4, linestyle="none", elinewidth=1, color=ACCENT)
    right.set(
        xlabel="probability of the likeliest outcome", ylabel="share that happened", xlim=(least, 1), ylim=(0, 1.02)
    )
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    finding = f"{name} gives its favourite {sure.mean():.1%} on average; it happened in {hit.mean():.1%}"
    return Plot("confidence", finding, figure)
