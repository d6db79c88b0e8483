"""Predicting many pairs with many fold models: in parts of similar length, between which it can be stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prefens.core import resources, shutdown
from prefens.core.errors import BLEND_AGAIN, StoreError
from prefens.core.hashing import digest
from prefens.core.progress import progress
from prefens.core.types import Floats, Ints, Pairs
from prefens.data.text.token_cache import texts_digest
from prefens.inference.estimate import expected_seconds, log_estimate, log_total
from prefens.inference.unfinished import Unfinished
from prefens.members.base import Member
from prefens.store.run_record import RunResult

log = logging.getLogger(__name__)

PART = 64  # pairs that a model predicts before the process may stop


@dataclass(frozen=True)
class FoldModel:
    """A stored fold model.

    Attributes
    ----------
    member : str
        Name of its member.
    key : str
        Digest of its files, and of what else decides its predictions.
    load : callable
        Returns it in memory.
    run : RunResult or None
        What its fold run took, where the time of a prediction is to be estimated.
    """

    member: str
    key: str
    load: Callable[[], Member]
    run: RunResult | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """Some pairs of a file, of similar length.

    Attributes
    ----------
    rows : int64 array, shape (n,)
        Their places in the file.
    pairs : Pairs
        The n pairs; the features that fold models share are cached for them.
    """

    rows: Ints
    pairs: Pairs

    @cached_property
    def digest(self) -> str:
        """The digest of the texts."""
        return texts_digest(self.pairs)


def predict_groups(
    groups: Sequence[Sequence[FoldModel]], pairs: Pairs, n_outcomes: int, unfinished: Unfinished
) -> dict[str, Floats]:
    """Return of each member the (n, K) sum of its fold models' probabilities.

    Parameters
    ----------
    groups : sequence of sequences of FoldModel
        The models of a group are in memory together: they share a backbone, or are small.
    pairs : Pairs
        n pairs.
    n_outcomes : int
        K.
    unfinished : Unfinished
        What an earlier prediction has done; where this one is stopped, what it has done is saved there.

    Raises
    ------
    StoreError
        A model predicts another number of outcomes.
    Stopped
        The process was asked to stop, or its time budget is spent.
    """
    lengths = character_lengths(pairs)
    parts = length_sorted(pairs, lengths)
    totals = {model.member: np.zeros((len(pairs), n_outcomes)) for group in groups for model in group}
    estimated: set[str] = set()

    rounding = resources.rounding()  # once: it must not change while models are loaded, which may import torch

    def key_of(model: FoldModel, part: Part) -> str:
        return digest([model.key, part.digest, rounding])

    def is_stored(model: FoldModel, part: Part) -> bool:
        return unfinished.has(key_of(model, part), (len(part.rows), n_outcomes))

    todos = [[part for part in parts if not all(is_stored(model, part) for model in group)] for group in groups]
    expected = _log_total(groups, todos, len(pairs))
    try:
        for place, (group, todo) in enumerate(zip(groups, todos, strict=True)):
            name = _name(group)
            if todo:
                log.info("predicting with %s", name)
            members = [model.load() for model in group] if todo else []
            if todo and name not in estimated:
                later = list(zip(groups, expected, strict=True))[place:]
                remaining = sum(len(other) for other, _ in later if _name(other) == name)
                others = sum(seconds for other, seconds in later if _name(other) != name)
                rows = np.concatenate([part.rows for part in todo])
                log_estimate(name, members, remaining, pairs, lengths, rows, others)
                estimated.add(name)
            for part in progress(parts, f"predicting with {name}"):
                for index, model in enumerate(group):
                    if not is_stored(model, part):
                        shutdown.check()
                        unfinished.put(key_of(model, part), _predict(model, members[index], part, n_outcomes))
                    totals[model.member][part.rows] += unfinished.take(key_of(model, part))
            members.clear()  # before the next group is loaded
    except BaseException:
        unfinished.save()
        raise
    return totals


def _log_total(groups: Sequence[Sequence[FoldModel]], todos: Sequence[Sequence[Part]], n_pairs: int) -> list[float]:
    """Log what the whole prediction is expected to take; return the seconds of each group."""
    rows = [sum(len(part.rows) for part in todo) for todo in todos]
    runs = [[model.run for model in group] for group in groups]
    expected = [expected_seconds(group, n) for group, n in zip(runs, rows, strict=True)]
    log_total([run for group, n in zip(runs, rows, strict=True) if n for run in group], sum(expected), n_pairs)
    return expected


def _predict(model: FoldModel, loaded: Member, part: Part, n_outcomes: int) -> Floats:
    predicted = loaded.predict_proba(part.pairs)
    if predicted.shape[1] != n_outcomes:
        came = f"{model.member}: a model of {predicted.shape[1]} outcomes"
        raise StoreError(came, f"{n_outcomes}, those of the blend", BLEND_AGAIN)
    return predicted


def character_lengths(pairs: Pairs) -> Ints:
    """Return the characters of each pair's texts, (n,)."""
    columns = (pairs.prompt, pairs.response_a, pairs.response_b)
    return np.array([sum(len(turn) for turns in row for turn in turns) for row in zip(*columns, strict=True)], np.int64)


def length_sorted(pairs: Pairs, lengths: Ints) -> list[Part]:
    """Return all pairs in parts, the longest first: if they don't fit into memory, that shows at once."""
    order = np.argsort(-lengths, kind="stable")
    places = (order[start : start + PART] for start in range(0, len(order), PART))
    return [Part(rows, pairs.take(rows).unlabelled()) for rows in places]


def _name(group: Sequence[FoldModel]) -> str:
    return ", ".join(dict.fromkeys(model.member for model in group))
