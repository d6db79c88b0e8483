"""Pairs from a pandas frame, as a served model or a notebook has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from prefens.core.errors import DataError
from prefens.data.loaded import TEXT, LoadedPairs
from prefens.data.raw.table import RawTable
from prefens.data.readers import one_hot
from prefens.data.readers.json_cells import LIST

if TYPE_CHECKING:
    import pandas as pd


def load_frame(frame: pd.DataFrame, strict: bool = False, plain: bool = False) -> LoadedPairs:
    """Read test pairs from a frame.

    Parameters
    ----------
    frame : pandas.DataFrame, n rows
        The columns prompt, response_a and response_b: JSON lists of turns, as in the competition's files, or lists of
        strings. Other columns are ignored. The ids of the pairs are the numbers of the rows, from 1.
    strict : bool
        False leaves malformed rows out and lists them; True refuses them.
    plain : bool
        Whether the texts may be plain, as in the WSDM Cup's files: they are where no response begins as a JSON list.

    Raises
    ------
    DataError
        Where a column is missing, or where rows are malformed and `strict`.
    """
    missing = [name for name in TEXT if name not in frame.columns]
    if missing:
        raise DataError(
            f"no column {', '.join(missing)} (columns: {', '.join(map(str, frame.columns))[:500] or 'none'})",
            f"columns {', '.join(TEXT)}",
            "rename or add the columns",
        )
    if plain and not any(isinstance(cell, str) and LIST.match(cell) for name in TEXT[1:] for cell in frame[name]):
        turns: dict[str, Any] = {
            name: [[cell] if isinstance(cell, str) else cell for cell in frame[name]] for name in TEXT
        }
        frame = frame.assign(**turns)
    columns = {name: _column(frame[name]) for name in TEXT}
    columns["id"] = [pa.array(map(str, range(1, len(frame) + 1)), pa.string())]
    return one_hot.read_some(RawTable("the frame", columns, len(frame), tuple(columns)), labelled=False, strict=strict)


def _column(series: pd.Series[Any]) -> list[pa.Array]:
    """Return a column as text; missing cells as null."""
    cells = [None if missing else _text(cell) for cell, missing in zip(series, series.isna(), strict=True)]
    texts = [cell if cell is None else cell.encode("utf-8", "replace").decode() for cell in cells]
    return [pa.array(texts, pa.large_string())]


def _text(cell: Any) -> str:
    """Return a cell as the JSON that a file would hold."""
    return cell if isinstance(cell, str) else json.dumps(cell, default=_json_value)


def _json_value(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else repr(value)
