"""External folds: a file of ids with the fold of each."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prefens.core.errors import DataError, counted
from prefens.core.types import HOLDOUT, Folds, Ints
from prefens.data.cells import number, read_ids, refusal
from prefens.data.folds import LabelledRows
from prefens.data.raw.read import read_table

log = logging.getLogger(__name__)

MAX_FOLDS = 100


def read_folds(path: Path, rows: LabelledRows) -> Folds:
    """Read the fold of each of `rows` from a file.

    Parameters
    ----------
    path : Path
        A file with the columns id, each of the rows' once, and fold: 0 to k - 1 for 2 to 100 folds, or -1 for held out.
    rows : LabelledRows
        The rows that the folds are for.

    Raises
    ------
    DataError
        Where cells can't be read (up to 10 are named by row and id), or where ids or folds are missing or unknown.
    """
    table = read_table(path, ("id", "fold"), ())
    problems = dict(table.broken)
    ids = read_ids(table, problems)
    cells = list(table.pop("fold"))
    numbers = np.array([number(cell) for cell in cells])
    valid = np.isin(numbers, range(HOLDOUT, MAX_FOLDS))
    for row in np.flatnonzero(~valid):
        problems.setdefault(int(row), f"fold {cells[row]!r}")
    if problems:
        raise refusal(table, ids, problems, "folds", f"unique ids, folds {HOLDOUT} (held out) to {MAX_FOLDS - 1}")
    fold_of_id = dict(zip(ids, numbers.astype(int).tolist(), strict=True))
    _check_ids(path, rows, fold_of_id)
    fold = np.array([fold_of_id[id_] for id_ in rows.ids])
    k = max(int(fold.max()) + 1, 2)
    empty = sorted(set(range(k)) - set(fold.tolist()))
    if empty:
        raise DataError(
            f"{path}: no row for folds {empty}", f"rows in each of folds 0 to {k - 1}", "number them from 0"
        )
    _warn_of_leaks(path, rows, fold)
    settings = {"scheme": "file", "k": k, "seed": None, "holdout": float((fold == HOLDOUT).mean())}
    return Folds(
        rows.ids, rows.label, rows.group, fold.astype(np.int8), settings, rows.data_digest, rows.truth, rows.n_outcomes
    )


def _check_ids(path: Path, rows: LabelledRows, fold_of_id: Mapping[str, int]) -> None:
    missing = [id_ for id_ in rows.ids if id_ not in fold_of_id]
    unknown = fold_of_id.keys() - set(rows.ids)
    if missing or unknown:
        raise DataError(
            f"{path}: {len(missing)} of {len(rows.ids)} ids missing (first: {', '.join(missing[:3]) or 'none'}), "
            f"{len(unknown)} unknown (first: {', '.join(sorted(unknown)[:3]) or 'none'})",
            "each labelled id exactly once",
            "correct the file",
        )


def _warn_of_leaks(path: Path, rows: LabelledRows, fold: Ints) -> None:
    leaks = len({*zip(rows.group, fold.tolist(), strict=True)}) - len({*rows.group})
    if leaks:
        log.warning(
            "%s: prompts in more than one fold (%s): they leak from training to scoring", path, counted(leaks, "time")
        )
