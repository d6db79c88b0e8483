"""Pairs from a pandas frame, for callers that hold one: a served model, a notebook."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from prefens.core.errors import DataError
from prefens.data.load import TEXT, LoadedPairs, check_table
from prefens.data.table import FileTable

if TYPE_CHECKING:
    import pandas as pd


def load_frame(frame: pd.DataFrame, strict: bool = False) -> LoadedPairs:
    """Read test pairs from a frame with columns prompt, response_a, response_b; others, ids too, are not looked at.

    Texts are JSON lists of turns, as in the competition's files, or lists of strings. The ids of the pairs are the
    rows' numbers from 1. Malformed rows are left out and listed, or refused where `strict`; errors as in `load_pairs`.
    """
    missing = [name for name in TEXT if name not in frame.columns]
    if missing:
        raise DataError(
            f"no column {', '.join(missing)} (columns: {', '.join(map(str, frame.columns))[:500] or 'none'})",
            f"columns {', '.join(TEXT)}",
            "rename or add the columns",
        )
    columns = {name: _column(frame[name]) for name in TEXT}
    columns["id"] = pa.chunked_array([pa.array(map(str, range(1, len(frame) + 1)), pa.string())])
    return check_table(FileTable("the frame", columns, len(frame), tuple(columns)), labelled=False, strict=strict)


def _column(series: pd.Series[Any]) -> pa.ChunkedArray:
    """Return a column as text; missing cells as null."""
    cells = [None if gone else _text(cell) for cell, gone in zip(series, series.isna(), strict=True)]
    whole = [cell if cell is None else cell.encode("utf-8", "replace").decode() for cell in cells]
    return pa.chunked_array([pa.array(whole, pa.string())])


def _text(cell: Any) -> str:
    """Return a cell as the JSON that a file would hold."""
    return cell if isinstance(cell, str) else json.dumps(cell, default=_plain)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else repr(value)
