"""Folds that were made elsewhere: a file of ids with the fold of each."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prefens.core.errors import DataError
from prefens.core.types import HOLDOUT, Folds, Ints
from prefens.data.folds import LabelledRows
from prefens.data.load import number, read_ids, refusal
from prefens.data.table import read_table

log = logging.getLogger(__name__)

MOST = 100  # folds


def read_folds(path: Path, rows: LabelledRows) -> Folds:
    """Read the fold of each of `rows` from CSV or parquet.

    Parameters
    ----------
    path : columns id, each of the rows' once, and fold, 0 to k - 1 with 2 to 100 folds, or -1 for the hold-out.

    Raises
    ------
    DataError naming the file, and up to 10 offenders by row and id, or how many ids or which folds are missing.
    """
    table = read_table(path, ("id", "fold"), ())
    problems = dict(table.broken)
    ids = read_ids(table, problems)
    cells = list(table.pop("fold"))
    numbers = np.array([number(cell) for cell in cells])
    whole = np.isin(numbers, range(HOLDOUT, MOST))
    for row in np.flatnonzero(~whole):
        problems.setdefault(int(row), f"fold {cells[row]!r}")
    if problems:
        raise refusal(str(path), ids, problems, "folds", f"unique ids, folds {HOLDOUT} (held out) to {MOST - 1}")
    given = dict(zip(ids, numbers.astype(int).tolist(), strict=True))
    _check_ids(path, rows, given)
    fold = np.array([given[id_] for id_ in rows.ids])
    k = max(int(fold.max()) + 1, 2)
    empty = sorted(set(range(k)) - set(fold.tolist()))
    if empty:
        raise DataError(
            f"{path}: no row for folds {empty}", f"rows in each of folds 0 to {k - 1}", "number them from 0"
        )
    _warn_of_leaks(path, rows, fold)
    about = {"scheme": "file", "k": k, "seed": None, "holdout": float((fold == HOLDOUT).mean())}
    return Folds(rows.ids, rows.label, rows.group, fold.astype(np.int8), about, rows.data_digest, rows.truth)


def _check_ids(path: Path, rows: LabelledRows, given: Mapping[str, int]) -> None:
    lacking = [id_ for id_ in rows.ids if id_ not in given]
    unknown = given.keys() - set(rows.ids)
    if lacking or unknown:
        raise DataError(
            f"{path}: {len(lacking)} of {len(rows.ids)} ids missing (first: {', '.join(lacking[:3]) or 'none'}), "
            f"{len(unknown)} unknown (first: {', '.join(sorted(unknown)[:3]) or 'none'})",
            "each labelled id exactly once",
            "mend the file",
        )


def _warn_of_leaks(path: Path, rows: LabelledRows, fold: Ints) -> None:
    several = len({*zip(rows.group, fold.tolist(), strict=True)}) - len({*rows.group})
    if several:
        log.warning("%s: prompts in more than one fold (%d times): they leak from training to scoring", path, several)
