"""How long a prediction will take, measured on a few of its pairs before it starts."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np

from prefens.core.types import Ints, Pairs
from prefens.members.base import Member

log = logging.getLogger(__name__)

SAMPLE = 8  # pairs that are predicted twice: the time of the first pass counts loading, too
MIN_PAIRS = 256  # that are worth an estimate


def log_estimate(name: str, models: Sequence[Member], remaining: int, pairs: Pairs, lengths: Ints, rows: Ints) -> None:
    """Log about how long fold models will take for some pairs, by the time that a sample of these takes.

    Parameters
    ----------
    name : str
        What predicts.
    models : sequence of Member
        The models in memory.
    remaining : int
        The number of models that will predict, of the kind of those in memory.
    pairs : Pairs
        The n pairs of the file.
    lengths : int64 array, shape (n,)
        Their lengths; time is taken to be in proportion to them.
    rows : int64 array, shape (m,)
        The places of the pairs that are to be predicted, in the order of their lengths.
    """
    if len(rows) < MIN_PAIRS:
        return
    sample = rows[np.linspace(0, len(rows) - 1, SAMPLE).round().astype(np.int64)]
    models[0].predict_proba(pairs.take(sample[-1:]).unlabelled())  # loads what is loaded on demand
    part, started = pairs.take(sample).unlabelled(), time.monotonic()
    for model in models:
        model.predict_proba(part)
    seconds = (time.monotonic() - started) * remaining / len(models)
    total = seconds * int(lengths[rows].sum()) / max(1, int(lengths[sample].sum()))
    log.info("%s: about %s for %s pairs x %d fold models", name, duration(total), f"{len(rows):,}", remaining)


def duration(seconds: float) -> str:
    """Return a time in words: 40 s, 12 min or 3.5 h."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
