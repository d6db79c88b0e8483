"""The report's page: sections become one HTML file that fetches nothing and escapes every text of the data."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from prefens.reporting.plots import to_png
from prefens.reporting.section import Plot, ReportTable, Section

PIXELS_PER_INCH = 115  # CSS pixels; the letters of a figure are then as large as those of the page
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Tile:
    """A number at the top of the page.

    Attributes
    ----------
    name : str
        What the number is.
    value : str
        The number, as it is shown.
    note : str
        A remark in small letters.
    """

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class HtmlCell:
    """A cell of a table.

    Attributes
    ----------
    text : str
        What is shown.
    sort_key : float or None
        The number that the column is sorted by; None for text.
    interval : str
        The bounds of the number, or "".
    """

    text: str
    sort_key: float | None = None
    interval: str = ""


@dataclass(frozen=True, eq=False)
class Page:
    """All that the page shows.

    Attributes
    ----------
    title, subtitle : str
        The heading, and the line below it.
    sections : sequence of Section
        The sections, in their order.
    tiles : sequence of Tile
        Numbers for the top of the page.
    metadata : mapping from str to str
        What the page was made of: digests, version, date.
    links : mapping from str to str
        From a name to the path of a file beside the page.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]
    tiles: Sequence[Tile] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def render_template(template: str, **values: Any) -> str:
    """Fill a template of the folder templates; every value is escaped."""
    return _environment().get_template(template).render(**values)


def render_page(page: Page) -> str:
    """Return a page as HTML; figures are embedded as PNG.

    The page's content security policy allows one script, by its digest, and no fetching. Markup of the data would be
    inert even if it were not escaped.
    """
    templates = files("prefens.reporting") / "templates"
    style, script = ((templates / name).read_text("utf-8") for name in ("report.css", "report.js"))
    digest = "sha256-" + b64encode(sha256(script.encode()).digest()).decode()
    return render_template(
        "report.html.j2", page=page, style=Markup(style), script=Markup(script), script_digest=digest
    )


def table_rows(table: ReportTable) -> list[tuple[str, list[HtmlCell]]]:
    """Return each row's kind ("" for none) and cells."""
    names = columns(table)
    return [
        (
            str(row.get("_kind") or ""),
            [html_cell(row[name], table.column_digits.get(name, table.digits)) for name in names],
        )
        for row in table.rows
    ]


def columns(table: ReportTable) -> list[str]:
    """Return the names of a table's columns."""
    return [name for name in table.rows[0] if name != "_kind"] if table.rows else []


def numeric(table: ReportTable) -> list[bool]:
    """Return which columns hold numbers: those are aligned on the right."""
    rows = [cells for _, cells in table_rows(table)]
    return [any(cells[column].sort_key is not None for cells in rows) for column in range(len(columns(table)))]


def html_cell(value: Any, digits: int) -> HtmlCell:
    """Return how a value is shown.

    A number has `digits` decimals, (value, low, high) is shown as `value [low, high]`, None and NaN are empty.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return HtmlCell("")
    if isinstance(value, tuple | list):
        middle, low, high = (_number(float(number), digits) for number in value)
        return HtmlCell(middle, float(value[0]), f"{low}, {high}")
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return HtmlCell(str(value))
    return HtmlCell(_number(value, digits), float(value))


def _number(value: Any, digits: int) -> str:
    if hasattr(value, "__index__"):
        return f"{int(value):,}".replace("-", MINUS)
    rounded = f"{float(value):,.{digits}f}"
    return rounded.removeprefix("-") if float(rounded.replace(",", "")) == 0 else rounded.replace("-", MINUS)


def _source(plot: Plot) -> str:
    return f"data:image/png;base64,{b64encode(to_png(plot, titled=False)).decode()}"


def _width(plot: Plot) -> int:
    return round(plot.figure.get_figwidth() * PIXELS_PER_INCH)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("prefens.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "columns": columns,
        "numeric": numeric,
        "table_rows": table_rows,
        "source": _source,
        "width": _width,
    }
    return environment
