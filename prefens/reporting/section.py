"""A piece of the report: what was found, in sentences, tables and figures; how it looks is the template's business."""

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
class Table:
    """Rows under one title; all rows have the same keys, in the order of the columns.

    Cells are text, numbers, None, or (value, low, high): a number with its 95 % interval. `digits` is for the numbers,
    `column_digits` for those of columns that want another count. A row's cell `_kind` is not shown: it sets the row
    off ("best", "choice", "reference").
    """

    title: str
    rows: Sequence[Mapping[str, Any]]
    note: str = ""
    digits: int = 4
    column_digits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure: `name` is its file's stem, `finding` the one line above it."""

    name: str
    finding: str
    figure: Figure

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """The figure, (height, width, 4), without its finding: drawn once for the page and the file."""
        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        return np.array(canvas.buffer_rgba())  # type: ignore[no-untyped-call]


@dataclass(frozen=True, eq=False)
class Text:
    """Something of the data to read, shown as it is: label -> text. Never trusted: it is escaped."""

    title: str
    parts: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Section:
    """`name` is the anchor in the page; `summary` are sentences, the most important first."""

    name: str
    title: str
    summary: Sequence[str] = ()
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    texts: Sequence[Text] = ()
