"""Probabilities that were made elsewhere: a file of ids with three columns, checked row by row."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prefens.core.errors import ConfigError, DataError
from prefens.core.types import TOLERANCE, Floats, Outcome, Strings
from prefens.data.load import LABEL, number, read_ids, refusal
from prefens.data.table import FileTable, read_table

log = logging.getLogger(__name__)

OUTCOMES = [outcome.name.lower() for outcome in Outcome]
KEYS = ("id", *OUTCOMES)
NAMINGS = (dict(zip(OUTCOMES, OUTCOMES, strict=True)), dict(zip(OUTCOMES, LABEL, strict=True)))  # ours, a submission's
ROUNDING = 2e-3  # how far from 1 the sum of rounded or 16-bit probabilities may be


def read_probabilities(path: Path, columns: Mapping[str, str] | None = None) -> tuple[Strings, Floats]:
    """Read (n,) ids, each once, and (n, K) probabilities, whose rows sum to 1 within 1e-6, from CSV or parquet.

    Rows whose sum is within 2e-3 of 1 are renormalised, and their number is logged.

    Parameters
    ----------
    columns : the file's name of id, a_wins, b_wins, tie; those not given, or all where the file has not these, are
        recognised: id, and our own names of the outcomes or those of a submission.

    Raises
    ------
    DataError naming the file, and its columns or up to 10 offenders by row and id.
    """
    table = _read_columns(path, columns or {})
    problems = dict(table.broken)
    ids = read_ids(table, problems)
    values = np.array([[number(cell) for cell in table.pop(name)] for name in OUTCOMES]).T
    sums = values.sum(axis=1)
    sound = np.isfinite(values).all(axis=1) & (values >= 0).all(axis=1) & (np.abs(sums - 1.0) <= ROUNDING)
    for row in np.flatnonzero(~sound):
        problems.setdefault(int(row), f"{', '.join(map(str, values[row].tolist()))}, sum {sums[row]:.6g}")
    if problems:
        expected = f"unique ids, three finite probabilities, none negative, that sum to 1 within {ROUNDING:g}"
        raise refusal(table.name, ids, problems, "probabilities", expected)
    if not columns and np.isin(values, (0.0, 1.0)).all():
        raise DataError(
            f"{path}: nothing but 0 and 1 in {', '.join(OUTCOMES)} (columns: {', '.join(table.header)[:500]})",
            "probabilities, not labels",
            "name the columns: 'columns={id: id, a_wins: ..., b_wins: ..., tie: ...}'",
        )
    off = np.abs(sums - 1.0) > TOLERANCE
    if off.any():
        worst = np.abs(sums - 1.0).max()
        log.warning(
            "%s: %d of %d rows renormalised, their sums were up to %.1e from 1", path, off.sum(), len(ids), worst
        )
        values[off] /= sums[off, None]
    return ids, values


def _read_columns(path: Path, columns: Mapping[str, str]) -> FileTable:
    """Read the four columns under the names of KEYS."""
    unknown = sorted(set(columns) - set(KEYS))
    if unknown:
        raise ConfigError(f"columns: {', '.join(unknown)}", f"some of {', '.join(KEYS)}", "correct columns=")
    # One mapping serves several files: those that it does not fit may have names that are recognised.
    namings = [{"id": "id", **naming, **given} for given in ([columns, {}] if columns else [{}]) for naming in NAMINGS]
    table = read_table(path, (), sorted({name for naming in namings for name in naming.values()}))
    for naming in namings:
        if set(naming.values()) <= set(table.columns):
            table.columns = {key: table.columns[name] for key, name in naming.items()}
            return table
    raise DataError(
        f"{path}: columns {', '.join(table.header)[:500] or 'none'}",
        " or ".join(dict.fromkeys(", ".join(naming[key] for key in KEYS) for naming in namings)),
        "name the columns: 'columns={id: ..., a_wins: ..., b_wins: ..., tie: ...}'",
    )
