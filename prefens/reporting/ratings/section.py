"""The ratings of the models in the data as a section of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from prefens.core.errors import counted, printable
from prefens.ensemble.ratings.agreement import Agreement, Estimate
from prefens.ensemble.ratings.paired_model import Kind
from prefens.ensemble.ratings.rating import Ratings
from prefens.ensemble.ratings.summary import RatingSummary
from prefens.reporting.plots import COLOR_CYCLE, new_axes
from prefens.reporting.section import Plot, ReportTable, Section

MAX_MODELS = 40  # in the figure: the best ones
MAX_REVERSALS = 30  # in the table
MAX_SOURCES = 4  # in the figure: the votes and the first predictors
SCALE = "1000 is the mean of all models, 400 points are odds of 10 to 1; in brackets: the 95 % interval by prompt."


def ratings_section(summary: RatingSummary) -> Section:
    """Return the ratings by votes and predictors, their agreement, and what style is worth."""
    kind = Kind.BRADLEY_TERRY
    plain, styled = summary.find(kind), summary.find(kind, styled=True)
    agreement, tied = summary.agreement(kind), "; a tie is half a win" if summary.find(Kind.DAVIDSON) else ""
    tables = [
        ratings_table(plain, f"Ratings (Bradley-Terry{tied})"),
        ratings_table(styled, "Ratings at equal length and formatting"),
        ratings_table(summary.find(Kind.DAVIDSON), "Ratings with ties (Davidson)"),
        ratings_table(summary.find(Kind.DAVIDSON, styled=True), "Ratings with ties, at equal length and formatting"),
        agreement_table(summary.agreements),
        reversal_table(agreement),
        style_table(styled),
    ]
    return Section(
        "ratings",
        "Ratings of the models",
        [*sentences(summary), *summary.notes()],
        [table for table in tables if table.rows],
        [ratings_plot(plain, agreement)],
    )


def sentences(summary: RatingSummary) -> list[str]:
    """Return the first and the last model, and how well each prediction agrees with the votes, in sentences."""
    voted, *_ = summary.find(Kind.BRADLEY_TERRY)
    best, *_, worst = voted.rows
    gap = best.rating - worst.rating
    lines = [
        f"{len(voted.models)} models are rated by {len(summary.votes.rows):,} votes: {best.model} is first, "
        f"{gap:.0f} points ahead of {worst.model}, which is last."
    ]
    for each in summary.agreement(Kind.BRADLEY_TERRY):
        clear = sum(reversal.clear for reversal in each.reversals)
        lines.append(
            f"Ratings by {each.source} have a rank correlation of {in_words(each.spearman)} with those by the votes; "
            f"the order changes in {counted(len(each.reversals), 'pair')} of models, {clear} of them where the votes "
            "are sure."
        )
    return lines


def in_words(estimate: Estimate, digits: int = 2) -> str:
    """Return a number with its interval, where it has one; "unknown" for one that is not defined."""
    value, low, high = estimate
    if np.isnan(value):
        return "unknown"
    interval = "" if low is None or high is None or np.isnan(low) else f" ({low:.{digits}f} to {high:.{digits}f})"
    return f"{value:.{digits}f}{interval}"


def ratings_table(sources: Sequence[Ratings], title: str) -> ReportTable:
    """Return a row per model, in the order of the votes, with its rating by each source."""
    if not sources:
        return ReportTable(title, [])
    by_source = [{row.model: row for row in own.rows} for own in sources]
    rows = []
    for row in sources[0].rows:
        cells: dict[str, Any] = {"model": printable(row.model), "comparisons": row.comparisons}
        for own, ratings in zip(sources, by_source, strict=True):
            rating = ratings[row.model]
            cells[printable(own.source)] = (rating.rating, *rating.sandwich)
        rows.append(cells)
    return ReportTable(title, rows, SCALE, digits=0)


def agreement_table(agreements: Sequence[Agreement]) -> ReportTable:
    """Return the rank correlations of each predictor's ratings with those by the votes."""
    rows = [
        {
            "predictor": printable(each.source),
            "ratings": f"{each.kind.replace('_', '-')}{', equal style' if each.styled else ''}",
            "Spearman": _cell(each.spearman),
            "Kendall": _cell(each.kendall),
            "pairs in another order": len(each.reversals),
            "where the votes are sure": sum(reversal.clear for reversal in each.reversals),
        }
        for each in agreements
    ]
    note = "Both ratings of a resample are noisy, so that an interval of a rank correlation may lie below its estimate."
    digits = {"pairs in another order": 0, "where the votes are sure": 0}
    return ReportTable("Predicted beside voted", rows, note, digits=3, column_digits=digits)


def reversal_table(agreements: Sequence[Agreement]) -> ReportTable:
    """Return the pairs of models whose order by a predictor is not that of the votes."""
    rows = [
        {
            "predictor": printable(each.source),
            "ahead by votes": printable(reversal.better),
            "behind by votes": printable(reversal.worse),
            "voted gap": _cell(reversal.voted),
            "predicted gap": _cell(reversal.predicted),
            "votes are sure": "yes" if reversal.clear else "no",
        }
        for each in agreements
        for reversal in each.reversals[:MAX_REVERSALS]
    ]
    return ReportTable("Models in another order than by the votes (Bradley-Terry)", rows, "In points.", digits=0)


def style_table(sources: Sequence[Ratings]) -> ReportTable:
    """Return what style is worth to each source."""
    rows = [
        {
            "source": printable(own.source),
            "difference in": effect.name,
            "effect": (effect.value, effect.low, effect.high),
        }
        for own in sources
        for effect in own.effects
    ]
    note = "Log odds of winning per root mean square of (a - b) / (a + b), beside the ratings (Bradley-Terry)."
    return ReportTable("What style is worth", rows, note, digits=3)


def ratings_plot(sources: Sequence[Ratings], agreements: Sequence[Agreement]) -> Plot:
    """Draw each model's rating by votes and predictors with 95 % intervals, the best first."""
    shown = sources[:MAX_SOURCES]
    models = [row.model for row in shown[0].rows][:MAX_MODELS]
    figure, axes = new_axes(8.0, 1.2 + 0.3 * len(models))
    for place, own in enumerate(shown):
        rows = {row.model: row for row in own.rows}
        offset = 0.16 * (place - (len(shown) - 1) / 2)
        color = "black" if place == 0 else COLOR_CYCLE[place - 1]
        y = np.arange(len(models)) + offset
        values = np.array([rows[model].rating for model in models])
        low, high = np.array([rows[model].sandwich for model in models]).T
        axes.hlines(y, low, high, color=color, linewidth=1.2)
        axes.plot(values, y, "o", color=color, markersize=4, label=printable(own.source))
    axes.set_yticks(range(len(models)), [printable(model) for model in models], fontsize=8)
    axes.set(xlabel="rating in points (line: 95 % interval)")
    axes.invert_yaxis()
    axes.legend(frameon=False)
    voted = shown[0].rows
    finding = f"{printable(voted[0].model)} is first by the votes"
    if agreements:
        first = agreements[0]
        finding += f"; {printable(first.source)} ranks the models with a correlation of {in_words(first.spearman)}"
    return Plot("ratings", finding, figure)


def _cell(estimate: Estimate) -> Any:
    value, low, high = estimate
    if np.isnan(value):
        return None
    return value if low is None or high is None else (value, low, high)
