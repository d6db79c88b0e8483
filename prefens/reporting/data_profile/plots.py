"""The figures of the data profile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prefens.core.metrics import outcome_shares
from prefens.core.types import Outcome, Pairs, outcomes
from prefens.reporting.data_profile.model_record import ModelRecord
from prefens.reporting.data_profile.tables import MAX_MODELS
from prefens.reporting.language_id import LANGUAGE_INDEX, LANGUAGES
from prefens.reporting.plots import ACCENT, MUTED, OUTCOME_COLORS, OUTCOME_TITLES, log_x_axis, new_axes
from prefens.reporting.section import Plot
from prefens.reporting.text_stats import TextStats


def outcome_plot(pairs: Pairs) -> Plot | None:
    """Draw how often each outcome was chosen; None without labels."""
    if pairs.label is None or not len(pairs):
        return None
    figure, axes = new_axes(8.0, 2.2)
    shares = outcome_shares(pairs.label, pairs.n_outcomes)
    for row, outcome in enumerate(outcomes(pairs.n_outcomes)):
        axes.barh(row, shares[outcome], color=OUTCOME_COLORS[outcome], height=0.6)
        axes.text(shares[outcome] + 0.005, row, f"{shares[outcome]:.1%}", va="center", fontsize=9)
    axes.set_yticks(range(pairs.n_outcomes), [OUTCOME_TITLES[outcome] for outcome in outcomes(pairs.n_outcomes)])
    axes.set(xlabel="share of pairs", xlim=(0, min(1.0, shares.max() + 0.1)))
    axes.invert_yaxis()
    lead = 100 * float(shares[Outcome.A_WINS] - shares[Outcome.B_WINS])
    ties = "".join(f"{share:.0%} ties; " for share in shares[Outcome.TIE :])
    finding = f"{ties}A wins {abs(lead):.1f} points {'more' if lead > 0 else 'less'} often than B"
    return Plot("data-labels", finding, figure)


def length_plot(stats: TextStats) -> Plot | None:
    """Draw how many words prompts and responses have, on a logarithmic axis; None where all texts are empty."""
    prompts, responses = stats.prompt("words"), np.concatenate(stats.responses("words"))
    longest = max(prompts.max(initial=0), responses.max(initial=0))
    if not longest:
        return None
    figure, axes = new_axes(8.0, 3.4)
    bins = np.geomspace(1, longest + 1, 50).tolist()
    for values, color, name in ((prompts, MUTED, "prompts"), (responses, ACCENT, "responses")):
        weights = np.full(len(values), 1.0 / max(1, len(values)))
        axes.hist(
            np.maximum(values, 1), bins=bins, weights=weights, histtype="step", color=color, linewidth=1.8, label=name
        )
    log_x_axis(axes, lambda words: f"{words:,.0f}")
    axes.set(xlabel="words, all turns together", ylabel="share of texts")
    axes.legend(frameon=False)
    median, long = np.median(responses), np.quantile(responses, 0.95)
    ratio = np.exp(np.abs(stats.log_length_ratio()))
    finding = f"Half of the responses have {median:,.0f} words or fewer, one in twenty over {long:,.0f}"
    return Plot(
        "data-lengths", f"{finding}; {(ratio >= 2).mean():.0%} of pairs differ in length by a factor of 2", figure
    )


def language_plot(stats: TextStats) -> Plot | None:
    """Draw the languages of the prompts, the most frequent first; None where there are fewer than two."""
    counts = np.bincount(stats.prompt("language"), minlength=len(LANGUAGES))
    order = [int(index) for index in np.argsort(-counts, kind="stable") if counts[index]]
    if len(order) < 2:
        return None
    figure, axes = new_axes(8.0, 1.2 + 0.24 * len(order))
    shares = counts[order] / counts.sum()
    axes.barh(range(len(order)), shares, color=ACCENT, height=0.65)
    for row, share in enumerate(shares):
        axes.text(share * 1.05, row, f"{share:.1%}", va="center", fontsize=8)
    axes.set_yticks(range(len(order)), [LANGUAGES[index] for index in order], fontsize=9)
    log_x_axis(axes, lambda share: f"{100 * share:g}%")
    axes.set(xlabel="share of prompts (logarithmic)", xlim=(shares.min() / 2, 2.0))
    axes.invert_yaxis()
    english = counts[LANGUAGE_INDEX["English"]] / counts.sum()
    return Plot("data-languages", f"{english:.0%} of the prompts are in English", figure)


def model_plot(records: Sequence[ModelRecord]) -> Plot | None:
    """Draw what the most frequent models won, tied and lost, the best on top; None for fewer than two models."""
    if len(records) < 2:
        return None
    shown = sorted(records[:MAX_MODELS], key=lambda record: record.lost - record.won)
    figure, axes = new_axes(8.0, 1.2 + 0.26 * len(shown))
    left = np.zeros(len(shown))
    for name, outcome in (("won", Outcome.A_WINS), ("tied", Outcome.TIE), ("lost", Outcome.B_WINS)):
        if getattr(shown[0], name) is None:  # of two outcomes
            continue
        widths = np.array([getattr(record, name) for record in shown])
        axes.barh(range(len(shown)), widths, left=left, color=OUTCOME_COLORS[outcome], height=0.7, label=name)
        left += widths
    axes.set_yticks(range(len(shown)), [f"{record.model} ({record.pairs:,})" for record in shown], fontsize=8)
    axes.set(xlim=(0, 1), xlabel="share of the model's pairs")
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    best, worst = shown[0], shown[-1]
    finding = f"{best.model} wins {best.won:.0%} and loses {best.lost:.0%}"
    return Plot("data-models", f"{finding}, {worst.model} {worst.won:.0%} and {worst.lost:.0%}", figure)
