"""The page holds all that it shows, fetches nothing, and shows what the data says as text."""

import base64
import re

import numpy as np
import pytest

from prefens.reporting.html import Page, Tile, html_cell, render_page
from prefens.reporting.plots import new_axes
from prefens.reporting.section import Plot, ReportTable, Section, Text
from tests.helpers.pages import HOSTILE, Elements


def line_plot(name: str, finding: str) -> Plot:
    figure, axes = new_axes(3.0, 2.0)
    axes.plot([0, 1], [1, 0])
    return Plot(name, finding, figure)


@pytest.fixture(scope="module")
def page() -> str:
    table = ReportTable(HOSTILE, [{HOSTILE: HOSTILE, "value": (0.25, 0.1, 0.4), "_kind": "best"}], HOSTILE)
    sections = [
        Section("one", "One", ["First.", HOSTILE], [table, table], [line_plot("a", HOSTILE), line_plot("b", "Falls")]),
        Section("two", HOSTILE, texts=[Text(HOSTILE, {"prompt": HOSTILE, HOSTILE: "x" * 50})]),
        Section("empty", "Empty", tables=[ReportTable("Nothing", [])]),
    ]
    return render_page(
        Page(HOSTILE, HOSTILE, sections, [Tile(HOSTILE, HOSTILE, HOSTILE)], {"data": HOSTILE}, {"Card": "card.md"})
    )


def test_nothing_of_the_data_becomes_markup(page: str) -> None:
    elements = Elements(page)
    assert len(elements.of("script")) == 1
    assert all(attributes["src"].startswith("data:image/png") for attributes in elements.of("img") if attributes["src"])
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
    assert elements.text.count('document.title = "owned"') > 20
    assert "<script>document.title" not in page


def test_nothing_is_fetched(page: str) -> None:
    elements = Elements(page)
    for _, attributes in elements.found:
        for name in ("src", "href", "srcset", "data", "action"):
            address = attributes.get(name) or ""
            assert re.match(r"data:|#[a-z]+$|[a-z_]+\.md$|$", address), address
    policy = elements.of("meta")[1]["content"] or ""
    assert policy.startswith("default-src 'none'; img-src data:;")
    style = page.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_names_the_digest_of_the_script(page: str) -> None:
    from hashlib import sha256

    script = page.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.replace("&#39;", "'").replace("&#43;", "+")


def test_every_figure_is_inside_and_every_section_in_the_contents(page: str) -> None:
    elements = Elements(page)
    images = [base64.b64decode((attributes["src"] or "").split(",")[1]) for attributes in elements.of("img")]
    assert len(images) == 2
    assert all(image.startswith(b"\x89PNG") for image in images)
    targets = [attributes["href"] for attributes in elements.of("a")]
    for name in ("one", "two", "empty"):
        assert f"#{name}" in targets
        assert name in [attributes.get("id") for attributes in elements.of("section")]


def test_tables_have_aligned_numbers_intervals_and_buttons_to_sort_by(page: str) -> None:
    elements = Elements(page)
    assert len(elements.of("table")) == 2
    assert [attributes.get("class") for attributes in elements.of("th")] == [None, "number"] * 2
    assert [attributes for attributes in elements.of("td") if "data-key" in attributes] == [
        {"class": "number", "data-key": "0.25"}
    ] * 2
    assert "0.2500 <span>[0.1000, 0.4000]</span>" in page


@pytest.mark.parametrize(
    ("value", "text", "sort_key"),
    [
        (None, "", None),
        (float("nan"), "", None),
        ("1e3", "1e3", None),
        (12345, "12,345", 12345.0),
        (np.int64(-3), "\N{MINUS SIGN}3", -3.0),
        (-0.00001, "0.000", -0.00001),
        (np.float64(1234.5678), "1,234.568", 1234.5678),
        (-0.25, "\N{MINUS SIGN}0.250", -0.25),
        (True, "True", None),
    ],
)
def test_cells(value: object, text: str, sort_key: float | None) -> None:
    cell = html_cell(value, 3)
    assert (cell.text, cell.sort_key) == (text, sort_key)
