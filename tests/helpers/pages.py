"""Pages and sections of the report, read as a browser or a reader would."""

from html.parser import HTMLParser

from prefens.reporting.section import Section

HOSTILE = (
    '<script>document.title = "owned"</script><img src=http://evil.example/x onerror=alert(1)>"\'&</pre></details>'
)


class Elements(HTMLParser):
    """All elements of a page with their attributes, and the text outside of script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def check_section(section: Section) -> None:
    """Every table has one set of columns; no sentence, finding or cell is NaN, no tick reads as markup."""
    said = [*section.summary, *(plot.finding for plot in section.plots)]
    assert all(text and "nan" not in text.lower().split() for text in said)
    for table in section.tables:
        assert len({tuple(row) for row in table.rows}) <= 1
        cells = [cell for row in table.rows for cell in row.values()]
        numbers = [number for cell in cells for number in (cell if isinstance(cell, tuple) else (cell,))]
        assert all(number == number for number in numbers)
    for plot in section.plots:
        plot.figure.canvas.draw()
        labels = [label.get_text() for axes in plot.figure.axes for label in axes.get_xticklabels(which="both")]
        assert not any("$" in label for label in labels)
