"""Asking many fold models about many pairs: in parts, between which it can be stopped; each model is loaded once."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import accumulate

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
from prefens.members.training.reward_scale import RewardScale
from prefens.store.run_record import RunResult

log = logging.getLogger(__name__)

PART = 64  # pairs that a model predicts before the process may stop


def _none() -> None:
    return None


@dataclass(frozen=True, eq=False)
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
    reward_scale : callable
        Returns the scale of its rewards, as `Member.reward_scale` does, without loading it.
    """

    member: str
    key: str
    load: Callable[[], Member]
    run: RunResult | None = None
    reward_scale: Callable[[], RewardScale | None] = _none

    def in_memory(self) -> FoldModel:
        """Return the same model, loaded, which stays in memory."""
        model = self.load()
        return replace(self, load=lambda: model, reward_scale=lambda: model.reward_scale)


Groups = Sequence[Sequence[FoldModel]]


@dataclass(frozen=True, eq=False)
class Part:
    """Some pairs that a model is asked about at once.

    Attributes
    ----------
    rows : int64 array, shape (n,)
        Their places among all pairs.
    pairs : Pairs
        The n pairs; the features that fold models share are cached for them.
    """

    rows: Ints
    pairs: Pairs

    @cached_property
    def digest(self) -> str:
        """The digest of the texts."""
        return texts_digest(self.pairs)


@dataclass(frozen=True)
class Question:
    """What fold models are asked about pairs.

    Attributes
    ----------
    ask : callable
        Returns the answer of a model in memory, whose member has a name, about n pairs: an array of shape (n, *shape).
    shape : tuple of int
        That of the answer about one pair.
    unit : str
        What messages call the pairs.
    """

    ask: Callable[[str, Member, Pairs], Floats]
    shape: tuple[int, ...]
    unit: str = "pairs"


def predict_groups(
    groups: Groups, blocks: Sequence[Pairs], n_outcomes: int, unfinished: Unfinished
) -> dict[str, Floats]:
    """Return of each member the (n, K) sum of its fold models' probabilities.

    Parameters
    ----------
    groups, unfinished
        As in `ask_models`.
    blocks : sequence of Pairs
        The n pairs, in blocks; no block changes a bit of what is predicted for another one.
    n_outcomes : int
        K.

    Raises
    ------
    StoreError
        A model predicts another number of outcomes.
    Stopped
        As in `ask_models`.
    """

    def predict(name: str, model: Member, pairs: Pairs) -> Floats:
        predicted = model.predict_proba(pairs)
        if predicted.shape[1] != n_outcomes:
            came = f"{name}: a model of {predicted.shape[1]} outcomes"
            raise StoreError(came, f"{n_outcomes}, those of the blend", BLEND_AGAIN)
        return predicted

    def add(model: FoldModel, part: Part, predicted: Floats) -> None:
        totals[model.member][part.rows] += predicted

    starts = accumulate(map(len, blocks), initial=0)
    parts = [part for block, start in zip(blocks, starts, strict=False) for part in length_sorted(block, start)]
    shape = sum(map(len, blocks)), n_outcomes
    totals = {model.member: np.zeros(shape) for group in groups for model in group}
    ask_models(groups, parts, Question(predict, (n_outcomes,)), unfinished, add)
    return totals


def ask_models(
    groups: Groups,
    parts: Sequence[Part],
    question: Question,
    unfinished: Unfinished,
    receive: Callable[[FoldModel, Part, Floats], None],
) -> None:
    """Ask all fold models about all parts; no model is loaded twice.

    Parameters
    ----------
    groups : sequence of sequences of FoldModel
        The models of a group are in memory together: they share a backbone, or are small. Groups are so one by one.
    parts : sequence of Part
        What they are asked about.
    question : Question
        What they are asked.
    unfinished : Unfinished
        What an earlier process has done; where this one is stopped, what it has done is saved there.
    receive : callable
        Gets each model's answer about each part.

    Raises
    ------
    Stopped
        The process was asked to stop, or its time budget is spent.
    """
    count = sum(len(part.rows) for part in parts)
    estimated: set[str] = set()
    done: Counter[str] = Counter()  # models, by the name of their group
    rounding = resources.rounding()  # once: it must not change while models are loaded, which may import torch

    def key_of(model: FoldModel, part: Part) -> str:
        return digest([model.key, part.digest, rounding])

    def is_stored(model: FoldModel, part: Part) -> bool:
        return unfinished.has(key_of(model, part), (len(part.rows), *question.shape))

    models = Counter(_name(group) for group in groups for _ in group)
    todos = [[part for part in parts if not all(is_stored(model, part) for model in group)] for group in groups]
    expected = _log_total(groups, todos, count, question.unit)
    try:
        for place, (group, todo) in enumerate(zip(groups, todos, strict=True)):
            name = _name(group)
            if todo and name not in estimated:
                log.info("predicting with %s: %d model%s", name, models[name], "" if models[name] == 1 else "s")
            asked = [partial(question.ask, model.member, model.load()) for model in group] if todo else []
            if todo and name not in estimated:
                later = list(zip(groups, expected, strict=True))[place:]
                remaining = sum(len(other) for other, _ in later if _name(other) == name)
                others = sum(seconds for other, seconds in later if _name(other) != name)
                pairs = Pairs.concatenate([part.pairs for part in todo])
                log_estimate(name, asked, remaining, pairs, character_lengths(pairs), others, question.unit)
                estimated.add(name)
            for part in progress(parts, f"{name}, {done[name]} of {models[name]} models done"):
                for index, model in enumerate(group):
                    if not is_stored(model, part):
                        shutdown.check()
                        unfinished.put(key_of(model, part), asked[index](part.pairs))
                    receive(model, part, unfinished.take(key_of(model, part)))
            done[name] += len(group)
            asked.clear()  # before the next group is loaded
    except BaseException:
        unfinished.save()
        raise


def _log_total(groups: Groups, todos: Sequence[Sequence[Part]], count: int, unit: str) -> list[float]:
    """Log what the whole prediction is expected to take; return the seconds of each group."""
    rows = [sum(len(part.rows) for part in todo) for todo in todos]
    runs = [[model.run for model in group] for group in groups]
    expected = [expected_seconds(group, n) for group, n in zip(runs, rows, strict=True)]
    log_total([run for group, n in zip(runs, rows, strict=True) if n for run in group], sum(expected), count, unit)
    return expected


def character_lengths(pairs: Pairs) -> Ints:
    """Return the characters of each pair's texts, (n,)."""
    columns = (pairs.prompt, pairs.response_a, pairs.response_b)
    return np.array([sum(len(turn) for turns in row for turn in turns) for row in zip(*columns, strict=True)], np.int64)


def length_sorted(block: Pairs, start: int = 0) -> list[Part]:
    """Return the pairs of a block in parts, the longest first: if they don't fit into memory, that shows at once.

    `start` is the place of its first pair among all.
    """
    order = np.argsort(-character_lengths(block), kind="stable")
    places = (order[first : first + PART] for first in range(0, len(order), PART))
    return [Part(start + rows, block.take(rows).unlabelled()) for rows in places]


def _name(group: Sequence[FoldModel]) -> str:
    return ", ".join(dict.fromkeys(model.member for model in group))
