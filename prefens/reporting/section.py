"""The parts that a report is made of: sections of sentences, tables, figures and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ReportTable:
    """A table of a section.

    Attributes
    ----------
    title : str
        The caption.
    rows : sequence of mapping from str
        One mapping from column to value per row; all rows have the same keys, in the order of the columns. A value is
        text, a number, None for an empty cell, or (value, low, high): a number with its 95 % interval. The key `_kind`
        is not shown: it sets a row off ("best", "choice" or "reference").
    note : str
        What the columns mean.
    digits : int
        Decimals of the numbers.
    column_digits : mapping from str to int
        Decimals of the columns that have other ones.
    """

    title: str
    rows: Sequence[Mapping[str, Any]]
    note: str = ""
    digits: int = 4
    column_digits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure of a section.

    Attributes
    ----------
    name : str
        The stem of its file.
    finding : str
        What the figure shows, in one sentence: its title.
    figure : matplotlib.figure.Figure
        The figure, without its finding.
    """

    name: str
    finding: str
    figure: Figure

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The figure without its finding, (height, width, 4); it is drawn once, for the page and for the file."""
        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.array(canvas.buffer_rgba())  # type: ignore[no-untyped-call]


@dataclass(frozen=True, eq=False)
class Text:
    """Texts of the data to read. They are untrusted: the page escapes them.

    Attributes
    ----------
    title : str
        The line that opens the texts.
    parts : mapping from str to str
        From a label to its text.
    """

    title: str
    parts: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Section:
    """A section of the report.

    Attributes
    ----------
    name : str
        Its anchor in the page.
    title : str
        Its heading.
    summary : sequence of str
        What was found, in sentences, the most important first.
    tables : sequence of ReportTable
        The first one is shown above the figures, the others below them.
    plots : sequence of Plot
        The figures.
    texts : sequence of Text
        Texts of the data, folded until they are opened.
    """

    name: str
    title: str
    summary: Sequence[str] = ()
    tables: Sequence[ReportTable] = ()
    plots: Sequence[Plot] = ()
    texts: Sequence[Text] = ()
