"""Probabilities of an external member: a file of ids and two or three columns, checked row by row."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prefens.core.errors import ConfigError, DataError
from prefens.core.types import TOLERANCE, Floats, Outcome, Strings, outcome_names
from prefens.data.cells import number, read_ids, refusal
from prefens.data.loaded import LABEL
from prefens.data.raw.read import read_table
from prefens.data.raw.source import listed
from prefens.data.raw.table import RawTable

log = logging.getLogger(__name__)

NAMES = outcome_names()
COLUMNS = ("id", *NAMES)
NAMINGS = (dict(zip(NAMES, NAMES, strict=True)), dict(zip(NAMES, LABEL, strict=True)))  # of prefens, of a submission
ROUNDING_TOLERANCE = 2e-3  # how far from 1 the sum of rounded or 16-bit probabilities may be


def read_probabilities(path: Path, columns: Mapping[str, str] | None = None) -> tuple[Strings, Floats]:
    """Read ids and probabilities from a file.

    Rows whose sum is within 2e-3 of 1 are renormalized, and their number is logged.

    Parameters
    ----------
    path : Path
        The file.
    columns : mapping of str to str, or None
        The file's names of id, a_wins, b_wins and tie. Names that are left out, or all of them where the file lacks
        one, are recognized: id, with the names of the outcomes or of a submission's columns. A file without a column
        of ties has two outcomes.

    Returns
    -------
    ids : array of str, shape (n,)
        Each once.
    probabilities : array of float64, shape (n, K)
        Rows sum to 1 within 1e-6.

    Raises
    ------
    ConfigError
        Where `columns` has other keys.
    DataError
        Where columns are missing, where rows are no probabilities (up to 10 are named), or where all values are 0 or 1.
    """
    table = _read_columns(path, columns or {})
    problems = dict(table.broken)
    ids = read_ids(table, problems)
    names = [name for name in NAMES if name in table.columns]
    values = np.array([[number(cell) for cell in table.pop(name)] for name in names]).T
    sums = values.sum(axis=1)
    valid = np.isfinite(values).all(axis=1) & (values >= 0).all(axis=1) & (np.abs(sums - 1.0) <= ROUNDING_TOLERANCE)
    for row in np.flatnonzero(~valid):
        problems.setdefault(int(row), f"{', '.join(map(str, values[row].tolist()))}, sum {sums[row]:.6g}")
    if problems:
        expected = (
            f"unique ids, {len(names)} finite probabilities, none negative, that sum to 1 within {ROUNDING_TOLERANCE:g}"
        )
        raise refusal(table, ids, problems, "probabilities", expected)
    if not columns and np.isin(values, (0.0, 1.0)).all():
        raise DataError(
            f"{path}: only 0 and 1 in {', '.join(names)} (columns: {listed(table.header)})",
            "probabilities, not labels",
            "name the columns: 'columns={id: id, a_wins: ..., b_wins: ..., tie: ...}'",
        )
    off = np.abs(sums - 1.0) > TOLERANCE
    if off.any():
        worst = np.abs(sums - 1.0).max()
        log.warning(
            "%s: %d of %d rows renormalized, their sums were up to %.1e from 1", path, off.sum(), len(ids), worst
        )
        values[off] /= sums[off, None]
    return ids, values


def _read_columns(path: Path, columns: Mapping[str, str]) -> RawTable:
    """Read the columns, under the names in COLUMNS; that of ties where there is one."""
    unknown = sorted(set(columns) - set(COLUMNS))
    if unknown:
        raise ConfigError(f"columns: {', '.join(unknown)}", f"some of {', '.join(COLUMNS)}", "correct columns=")
    # One mapping is for several files: a file that lacks its names may have recognized ones.
    namings = [{"id": "id", **naming, **names} for names in ([columns, {}] if columns else [{}]) for naming in NAMINGS]
    table = read_table(path, (), sorted({name for naming in namings for name in naming.values()}))
    tie = NAMES[Outcome.TIE]
    no_ties = [{key: name for key, name in naming.items() if key != tie} for naming in namings if tie not in columns]
    for naming in [*namings, *no_ties]:
        if set(naming.values()) <= set(table.columns):
            table.columns = {key: table.columns[name] for key, name in naming.items()}
            return table
    raise DataError(
        f"{path}: columns {listed(table.header) or 'none'}",
        " or ".join(dict.fromkeys(", ".join(naming[key] for key in COLUMNS) for naming in namings)),
        "name the columns: 'columns={id: ..., a_wins: ..., b_wins: ..., tie: ...}'",
    )
