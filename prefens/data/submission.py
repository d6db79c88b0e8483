"""The competition's submission file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from prefens.core.files import atomic_write
from prefens.core.types import TOLERANCE, Floats, Outcome, Strings

COLUMNS = {Outcome.A_WINS: "winner_model_a", Outcome.B_WINS: "winner_model_b", Outcome.TIE: "winner_tie"}


def write_submission(path: Path, ids: Strings, probabilities: Floats) -> Path:
    """Write the competition's CSV, with the columns id, winner_model_a, winner_model_b, winner_tie; return its path.

    Parameters
    ----------
    path : Path
        The file to write, atomically.
    ids : array of str, shape (n,)
        In the order of the rows.
    probabilities : array, shape (n, K)
        Rows sum to 1 within 1e-6.

    Raises
    ------
    ValueError
        Where the probabilities have another shape, or where rows are no probabilities.
    """
    expected = (len(ids), len(COLUMNS))
    if probabilities.shape != expected:
        raise ValueError(f"probabilities of shape {probabilities.shape}, expected {expected}")
    if (
        not np.isfinite(probabilities).all()
        or (probabilities < 0).any()
        or (abs(probabilities.sum(axis=1) - 1) > TOLERANCE).any()
    ):
        raise ValueError("rows that are not finite, negative or don't sum to 1")
    frame = pd.DataFrame({"id": ids} | {COLUMNS[outcome]: probabilities[:, outcome] for outcome in COLUMNS})
    # The writer leaves a carriage return without quotes, which readers take for the end of a row.
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if any("\r" in id_ for id_ in ids) else csv.QUOTE_MINIMAL
    with atomic_write(path) as tmp:
        frame.to_csv(tmp, index=False, float_format="%.9f", quoting=quoting)
    return path
