"""How long a prediction will take: first by what the fold runs took, then by a few pairs for each backbone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import numpy as np

from prefens.core import resources
from prefens.core.errors import counted
from prefens.core.types import Ints, Pairs
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


def log_total(runs: Sequence[RunResult | None], seconds: float, n_pairs: int, unit: str = "pairs") -> None:
    """Log about how long a whole prediction will take, before it starts; nothing where it is short or not known.

    Parameters
    ----------
    runs : sequence of RunResult or None
        The fold runs of the models that will predict.
    seconds : float
        The sum of their `expected_seconds`.
    n_pairs : int
        The number of pairs of the file.
    unit : str
        What the pairs are called.
    """
    if n_pairs < MIN_PAIRS or not seconds:
        return
    places = sorted({f"{run.device} with {counted(run.threads, 'thread')}" for run in runs if run is not None})
    work = f"{n_pairs:,} {unit} x {counted(len(runs), 'fold model')}"
    log.info(
        "in all: about %s for %s, an estimate from the time per row of their training (on %s; %d here); "
        "better ones follow as each backbone is loaded",
        *(duration(seconds), work, " and ".join(places), resources.thread_count()),
    )


def log_estimate(
    name: str,
    models: Sequence[Callable[[Pairs], object]],
    remaining: int,
    pairs: Pairs,
    lengths: Ints,
    others: float = 0.0,
    unit: str = "pairs",
) -> None:
    """Log about how long fold models will take for some pairs, by the time that a sample of these takes.

    Parameters
    ----------
    name : str
        What predicts.
    models : sequence of callable
        The models in memory: each is called with pairs.
    remaining : int
        The number of models that will predict, of the kind of those in memory.
    pairs : Pairs
        The n pairs that are to be predicted, about in the order of their lengths.
    lengths : int64 array, shape (n,)
        Their lengths; time is taken to be in proportion to them.
    others : float, seconds
        What models of other kinds are expected to take after these.
    unit : str
        What the pairs are called.
    """
    if len(pairs) < MIN_PAIRS:
        return
    sample = np.linspace(0, len(pairs) - 1, SAMPLE).round().astype(np.int64)
    models[0](pairs.take(sample[-1:]).unlabelled())  # loads what is loaded on demand
    part, started = pairs.take(sample).unlabelled(), time.monotonic()
    for model in models:
        model(part)
    seconds = (time.monotonic() - started) * remaining / len(models)
    total = seconds * int(lengths.sum()) / max(1, int(lengths[sample].sum()))
    rest = f"; {duration(total + others)} in all" if others else ""
    work = f"{len(pairs):,} {unit} x {counted(remaining, 'fold model')}"
    log.info("%s: about %s for %s%s", name, duration(total), work, rest)


def duration(seconds: float) -> str:
    """Return a time in words: 40 s, 12 min or 3.5 h."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
