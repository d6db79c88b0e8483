"""Labels without texts, for blending without the pairs."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import DataError
from prefens.core.hashing import digest
from prefens.core.types import Outcome
from prefens.data.cells import number, read_identifiers, read_ids, refusal
from prefens.data.folds import LabelledRows, digest_of_rows
from prefens.data.loaded import LABEL
from prefens.data.raw.read import read_table
from prefens.data.raw.source import listed
from prefens.data.raw.table import RawTable
from prefens.data.readers.one_hot import read_one_hot

log = logging.getLogger(__name__)


def read_labels(path: Path, n_outcomes: int = 3) -> LabelledRows:
    """Read labelled rows from a file, sorted by id.

    Parameters
    ----------
    path : Path
        A file with the column id and either the three one-hot winner columns or `label`, 0, 1 or 2 in the order of
        `Outcome`; optionally `group`, the same for rows that share a prompt. Without it each row is its own group.
    n_outcomes : int
        K, of the members that the labels are for. With two, winner_tie may be missing, and a tie is refused.

    Raises
    ------
    DataError
        Where columns are missing, or where cells can't be read: up to 10 are named by row and id.
    """
    table = read_table(path, ("id",), (*LABEL, "label", "group"))
    problems = dict(table.broken)
    ids = read_ids(table, problems)
    label = _read_label(table, problems)
    for row in np.flatnonzero(label >= n_outcomes).tolist():
        problems.setdefault(row, f"label {label[row]}, a tie, but the members have two outcomes")
    grouped = "group" in table.columns
    expected = "what rows with the same prompt share"
    group = read_identifiers(table, "group", problems, expected) if grouped else ids
    if problems:
        expected = "unique ids, one-hot winner columns or label 0, 1 or 2, no empty group"
        raise refusal(table, ids, problems, "labels", expected)
    if not grouped:
        log.warning("%s: no column group: rows that share a prompt can't be kept in one fold", path)
    columns = (ids, label.tolist(), group) if grouped else (ids, label.tolist())
    rows, order = [digest(row) for row in zip(*columns, strict=True)], np.argsort(ids)
    return LabelledRows(
        ids[order], label[order], group[order], digest_of_rows(rows, n_outcomes), None, grouped, n_outcomes
    )


def _read_label(table: RawTable, problems: dict[int, str]) -> NDArray[np.int8]:
    if set(LABEL[:2]) <= set(table.columns):
        label = read_one_hot(table, problems)
        for row, cell in enumerate(table.pop("label") if "label" in table.columns else ()):
            if number(cell) != label[row]:
                problems.setdefault(row, f"label {cell!r}, but {LABEL[label[row]]}=1")
        return label
    if "label" not in table.columns:
        raise DataError(
            f"{table.name}: columns {listed(table.header)}",
            f"label, or {', '.join(LABEL)}",
            "rename or add the columns",
        )
    cells = list(table.pop("label"))
    numbers = np.array([number(cell) for cell in cells])
    valid = np.isin(numbers, list(Outcome))
    for row in np.flatnonzero(~valid).tolist():
        problems.setdefault(row, f"label {cells[row]!r}, expected 0 (A wins), 1 (B wins) or 2 (tie)")
    return np.where(valid, numbers, 0).astype(np.int8)
