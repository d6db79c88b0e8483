"""What ratings leave behind: files, a table, and metrics in MLflow."""

from __future__ import annotations

import csv
import io
import math
from datetime import date
from pathlib import Path

from rich.table import Table

from prefens import __version__
from prefens.core.errors import printable
from prefens.core.files import write_json, write_text
from prefens.core.hashing import short
from prefens.ensemble.ratings.paired_model import Kind
from prefens.ensemble.ratings.rating import Rating
from prefens.ensemble.ratings.summary import RatingSummary
from prefens.runner.console import escape

TITLE = "Ratings of the models in the data"


def write_ratings(summary: RatingSummary, out: Path) -> list[Path]:
    """Write ratings.json and ratings.csv, and return their paths."""
    rows, text = summary.rows(), io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return [
        write_json(out / "ratings.json", _finite(summary.as_dict())),
        write_text(out / "ratings.csv", text.getvalue()),
    ]


def write_page(summary: RatingSummary, data_digest: str, out: Path) -> list[Path]:
    """Write ratings.html and figures/ratings.png, and return their paths."""
    from prefens.reporting.html import Page, render_page  # matplotlib takes a while to import
    from prefens.reporting.plots import save_plot
    from prefens.reporting.ratings.section import ratings_section

    section = ratings_section(summary)
    metadata = {"data": short(data_digest), "prefens": __version__, "written": date.today().isoformat()}
    page = Page(TITLE, f"{len(summary.votes.rows):,} votes", [section], metadata=metadata)
    return [
        write_text(out / "ratings.html", render_page(page)),
        *(save_plot(p, out / "figures") for p in section.plots),
    ]


def metrics(summary: RatingSummary) -> dict[str, float]:
    """Return the rank correlations with the votes (Bradley-Terry), for MLflow; of the first predictor alone."""
    agreement = summary.agreement(Kind.BRADLEY_TERRY)[:1]
    values = {
        f"ratings_{name}": value
        for each in agreement
        for name, value in (("spearman", each.spearman[0]), ("kendall", each.kendall[0]))
    }
    return {name: value for name, value in values.items() if not math.isnan(value)}


def ratings_table(summary: RatingSummary) -> Table:
    """One row per model: its rating by votes and predictors, and at equal style."""
    table = Table(title=escape(f"{TITLE}: Bradley-Terry, in points ± half of the 95 % interval by prompt"))
    table.add_column("model", no_wrap=True)
    sources = [*summary.find(Kind.BRADLEY_TERRY), *summary.find(Kind.BRADLEY_TERRY, styled=True)]
    for own in sources:
        table.add_column(escape(f"{own.source}{', equal style' if own.styled else ''}"), justify="right")
    table.add_column("pairs", justify="right")
    by_model = [{row.model: row for row in own.rows} for own in sources]
    for row in sources[0].rows:
        table.add_row(escape(row.model), *(_cell(rows[row.model]) for rows in by_model), str(row.comparisons))
    return table


def notes(summary: RatingSummary) -> list[str]:
    """Return the lines below the table: agreement with the votes, and what was left out."""
    from prefens.reporting.ratings.section import sentences

    return [printable(line) for line in (*sentences(summary), *summary.notes())]


def _cell(rating: Rating) -> str:
    low, high = rating.sandwich
    return f"{rating.rating:.0f} ± {(high - low) / 2:.0f}"


def _finite(value: object) -> object:
    """Return JSON values with None in place of what is no number: a rank correlation of two equal ratings."""
    if isinstance(value, dict):
        return {key: _finite(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(own) for own in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
