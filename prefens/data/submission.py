"""The competitions' submission files: probabilities of the outcomes, or winners."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from prefens.core.errors import ConfigError
from prefens.core.files import atomic_write
from prefens.core.types import TOLERANCE, Floats, Ints, Outcome, Strings, outcomes

COLUMNS = {Outcome.A_WINS: "winner_model_a", Outcome.B_WINS: "winner_model_b", Outcome.TIE: "winner_tie"}
WINNERS = ("model_a", "model_b", "tie")  # in the order of `Outcome`
FORMATS = ("one_hot", "winner")


def submission_columns(n_outcomes: int) -> list[str]:
    """Return the names of the K columns of probabilities."""
    return [COLUMNS[outcome] for outcome in outcomes(n_outcomes)]


def submission_format(data_format: str, n_outcomes: int) -> str:
    """Return what predictions are written as by default: winners where the data had a winner a row, and no ties."""
    return "winner" if data_format == "winner" and n_outcomes == 2 else "one_hot"


def check_submission_format(name: str | None) -> None:
    """Refuse a name that is none of `FORMATS`, with a ConfigError; None is no name."""
    if name not in (None, *FORMATS):
        raise ConfigError(f"out_format={name}", f"{' or '.join(FORMATS)}, or null", "correct out_format")


def write_submission(
    path: Path,
    ids: Strings,
    probabilities: Floats,
    out_format: str = "one_hot",
    decided: Ints | None = None,
) -> Path:
    """Write a competition's CSV; return its path.

    Parameters
    ----------
    path : Path
        The file to write, atomically.
    ids : array of str, shape (n,)
        In the order of the rows.
    probabilities : array, shape (n, K)
        Rows sum to 1 within 1e-6.
    out_format : str
        one_hot: the columns id, winner_model_a, winner_model_b and, for K = 3, winner_tie. winner: id and winner, which
        is model_a, model_b or tie.
    decided : array of int64, shape (n,), or None
        The outcomes that are written as winners; None for the most probable ones.

    Raises
    ------
    ValueError
        Where the probabilities have another shape, or where rows are no probabilities.
    """
    if len(probabilities) != len(ids) or probabilities.shape[1:] not in ((2,), (3,)):
        raise ValueError(f"probabilities of shape {probabilities.shape}, expected ({len(ids)}, 2 or 3)")
    if (
        not np.isfinite(probabilities).all()
        or (probabilities < 0).any()
        or (abs(probabilities.sum(axis=1) - 1) > TOLERANCE).any()
    ):
        raise ValueError("rows that are not finite, negative or don't sum to 1")
    if out_format == "winner":
        labels = probabilities.argmax(axis=1) if decided is None else decided
        columns = {"winner": [WINNERS[label] for label in labels]}
    else:
        columns = dict(zip(submission_columns(probabilities.shape[1]), probabilities.T, strict=True))
    frame = pd.DataFrame({"id": ids, **columns})
    # The writer leaves a carriage return without quotes, which readers take for the end of a row.
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if any("\r" in id_ for id_ in ids) else csv.QUOTE_MINIMAL
    with atomic_write(path) as tmp:
        frame.to_csv(tmp, index=False, float_format="%.9f", quoting=quoting)
    return path
