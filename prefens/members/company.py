"""Fold runs whose heads are trained in one go: the first of them trains all, the others find their own here."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from weakref import WeakKeyDictionary

import torch

from prefens.records import Pairs
from prefens.training.settings import TrainingSettings
from prefens.training.together import HeadRun, TrainedHead, train_together

log = logging.getLogger(__name__)

LARGEST = 64  # heads in one go: 5 folds of a dozen seeds
_waiting: WeakKeyDictionary[Pairs, dict[str, TrainedHead]] = WeakKeyDictionary()


def waits(pairs: Pairs, key: str) -> bool:
    """Whether the head of a fold run is trained and has not been asked for; it is known by its key."""
    return key in _heads(pairs)


def head(
    pairs: Pairs, key: str, own: HeadRun, others: Iterable[tuple[str, HeadRun]], settings: TrainingSettings
) -> TrainedHead | None:
    """Return the trained head of the fold run `key` on `pairs`, once, and train others with it if it does not wait.

    None where it is better trained alone: there are no others, or its training fails. Where the memory of a GPU runs
    out, half of the others wait for their turn.
    """
    heads = _heads(pairs)
    if key in heads:
        return heads.pop(key)
    runs = {key: own}
    for other, run in others:
        if run.schedule(settings) == own.schedule(settings):
            runs[other] = run
        if len(runs) >= LARGEST:
            break  # each further one would be prepared in vain
    while len(runs) > 1:
        try:
            trained = dict(zip(runs, train_together(list(runs.values()), settings), strict=True))
        except torch.OutOfMemoryError:
            log.warning("no memory for %d heads at once; trying half as many", len(runs))
            runs = dict(list(runs.items())[: len(runs) // 2])
            continue
        heads.update((name, made) for name, made in trained.items() if made is not None and name != key)
        mine = trained[key]
        return mine and replace(mine, seconds=mine.seconds * (1 - len(runs)))  # the others' shares are not its own
    return None


def _heads(pairs: Pairs) -> dict[str, TrainedHead]:
    return _waiting.setdefault(pairs if pairs.base is None else pairs.base, {})
