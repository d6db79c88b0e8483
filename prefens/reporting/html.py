"""Sections as one HTML page that needs nothing else: figures inside it, everything of the data escaped."""

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

from prefens.reporting.plots import png
from prefens.reporting.section import Plot, Section, Table

SCALE = 115  # CSS pixels an inch of figure


@dataclass(frozen=True)
class Tile:
    """A number at the top of the page, as text, with what it is and a note."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """A table's cell: what is shown, with its interval, and the number that it is sorted by (None for text)."""

    shown: str
    key: float | None = None
    interval: str = ""


@dataclass(frozen=True, eq=False)
class Page:
    """`tiles` are numbers for the top; `facts` name what the page is about; `links` are files beside it."""

    title: str
    subtitle: str
    sections: Sequence[Section]
    tiles: Sequence[Tile] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def render(template: str, **values: Any) -> str:
    """Fill a template of templates/; every value is escaped."""
    return _environment().get_template(template).render(**values)


def html(page: Page) -> str:
    """Return the page; figures are embedded as PNG.

    Its content security policy lets the one script run whose digest it names, and nothing be fetched: a text of the
    data that got through as markup would still be inert.
    """
    templates = files("prefens.reporting") / "templates"
    style, script = ((templates / name).read_text("utf-8") for name in ("report.css", "report.js"))
    digest = "sha256-" + b64encode(sha256(script.encode()).digest()).decode()
    return render("report.html.j2", page=page, style=Markup(style), script=Markup(script), script_digest=digest)


def table_rows(table: Table) -> list[tuple[str, list[Cell]]]:
    """Return each row's kind ("" for none) and cells."""
    names = columns(table)
    return [
        (str(row.get("_kind") or ""), [cell(row[name], table.column_digits.get(name, table.digits)) for name in names])
        for row in table.rows
    ]


def columns(table: Table) -> list[str]:
    """Return the names of a table's columns."""
    return [name for name in table.rows[0] if name != "_kind"] if table.rows else []


def numeric(table: Table) -> list[bool]:
    """Return which columns hold numbers: those are aligned on the right."""
    rows = [cells for _, cells in table_rows(table)]
    return [any(cells[place].key is not None for cells in rows) for place in range(len(columns(table)))]


def cell(value: Any, digits: int) -> Cell:
    """Return how a value is shown: a number, (value, low, high) as `value [low, high]`, text, or nothing for None."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Cell("")
    if isinstance(value, tuple | list):
        middle, low, high = (_number(float(each), digits) for each in value)
        return Cell(middle, float(value[0]), f"{low}, {high}")
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return Cell(str(value))
    return Cell(_number(value, digits), float(value))


def _number(value: Any, digits: int) -> str:
    if hasattr(value, "__index__"):
        return f"{int(value):,}".replace("-", "\N{MINUS SIGN}")
    rounded = f"{float(value):,.{digits}f}"
    return rounded.removeprefix("-") if float(rounded.replace(",", "")) == 0 else rounded.replace("-", "\N{MINUS SIGN}")


def _source(plot: Plot) -> str:
    return f"data:image/png;base64,{b64encode(png(plot, titled=False)).decode()}"


def _width(plot: Plot) -> int:
    """Return how wide a figure is shown, in CSS pixels: its letters are then as large as those of the page."""
    return round(plot.figure.get_figwidth() * SCALE)


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("prefens.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {
        "columns": columns,
        "numeric": numeric,
        "table_rows": table_rows,
        "source": _source,
        "width": _width,
    }
    return found
