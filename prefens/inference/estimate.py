"""How long a prediction will take: first by what the fold runs took, then by a few pairs for each backbone."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import numpy as np

from prefens.core import resources
from prefens.core.errors import counted
from prefens.core.types import Ints, Pairs
from prefens.members.base import Member
from prefens.store.run_record import RunResult

log = logging.getLogger(__name__)

SAMPLE = 8  # pairs that are predicted twice: the time of the first pass counts loading, too
MIN_PAIRS = 256  # that are worth an estimate


def expected_seconds(runs: Sequence[RunResult | None], n_pairs: int) -> float:
    """Return about how long fold models will take for some pairs; 0 where nothing is known of them.

    It is the time per row of the fold run. Where weights are trained it is too long rather than too short: an epoch
    takes about three times as long as a prediction. It is too short where the fold run found the features of a frozen
    backbone on disk.
    """
    return sum(run.seconds / max(1, run.train_rows + run.valid_rows) for run in runs if run is not None) * n_pairs


def log_total(runs: Sequence[RunResult | None], seconds: float, n_pairs: int) -> None:
    """Log about how long a whole prediction will take, before it starts; nothing where it is short or not known.

    Parameters
    ----------
    runs : sequence of RunResult or None
        The fold runs of the models that will predict.
    seconds : float
        The sum of their `expected_seconds`.
    n_pairs : int
        The number of pairs of the file.
    """
    if n_pairs < MIN_PAIRS or not seconds:
        return
    places = sorted({f"{run.device} with {counted(run.threads, 'thread')}" for run in runs if run is not None})
    log.info(
        "in all: about %s for %s x %s, an estimate from the time per row of their training "
        "(on %s; %d here); better ones follow as each backbone is loaded",
        *(
            duration(seconds),
            counted(n_pairs, "pair"),
            counted(len(runs), "fold model"),
            " and ".join(places),
            resources.thread_count(),
        ),
    )


def log_estimate(
    name: str, models: Sequence[Member], remaining: int, pairs: Pairs, lengths: Ints, rows: Ints, others: float = 0.0
) -> None:
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
    others : float, seconds
        What models of other kinds are expected to take after these.
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
    rest = f"; {duration(total + others)} in all" if others else ""
    work = f"{counted(len(rows), 'pair')} x {counted(remaining, 'fold model')}"
    log.info("%s: about %s for %s%s", name, duration(total), work, rest)


def duration(seconds: float) -> str:
    """Return a time in words: 40 s, 12 min or 3.5 h."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
