"""Scores of any number of answers to a prompt: the rewards of a member, or strengths from comparisons of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from prefens.core.errors import DataError, StoreError
from prefens.core.types import Floats, Ints, Outcome, Pairs, Strings
from prefens.data.candidates import Candidates, make_candidates
from prefens.ensemble.ratings.comparisons import Comparisons
from prefens.ensemble.ratings.paired_model import Kind, fit
from prefens.inference.fitted_blender import lone_member
from prefens.inference.predictor import Predictor
from prefens.inference.reward_ensemble import Ensemble

MAX_PAIRS = 200  # compared of one prompt


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of n answers to one prompt.

    Attributes
    ----------
    rewards : array, shape (n,)
        Rewards of members are in standard deviations of their rewards on training answers, above their mean. Strengths
        from comparisons are in natural log odds, so that the difference of two is that of the first answer winning over
        the second; they sum to 0 over the different answers.
    pairs : int
        Pairs that were compared; 0 where each answer has a reward of its own.
    ties : int
        Compared pairs of which a tie is the likeliest outcome.
    cycles : int
        Three answers of which each beats the next, among those that were compared.
    """

    rewards: Floats
    pairs: int = 0
    ties: int = 0
    cycles: int = 0

    @property
    def best(self) -> int:
        """The place of the best answer; the first of equals."""
        return int(np.argmax(self.rewards))


class Judge(Protocol):
    """What a `Scorer` asks: a `Predictor`, or what stands in front of one."""

    def rewards(self, pairs: Pairs, ensemble: Ensemble | None) -> Floats | None:
        """Return the rewards of the responses A of n pairs, (n,), whatever B is; None where pairs are compared."""

    def predict_pairs(self, pairs: Pairs) -> Floats:
        """Return the (n, K) probabilities of n pairs."""


class Scorer:
    """Scores answers with a predictor: a blend, or a member alone.

    A single siamese member whose head has a reward (davidson, or that of a reward model, without style features) reads
    each answer once: no other answer changes its reward; so does a blend of such members where `ensemble` says how
    their rewards become one. Any other predictor compares pairs: all of them up to
    `max_pairs`, else each answer with its next ones in the order of their texts, so that the order of the candidates
    changes nothing; strengths are then fitted by Davidson's model to the predicted probabilities. Equal answers share
    their score.

    Parameters
    ----------
    predictor : Predictor, or another Judge
        What predicts.
    max_pairs : int, at least 1
        Pairs that are compared of one prompt; never fewer than there are different answers.
    ensemble : Ensemble or None
        How the rewards of a blend's members become one, all of which must have rewards; None to compare pairs.
    """

    def __init__(self, predictor: Judge, max_pairs: int = MAX_PAIRS, ensemble: Ensemble | None = None) -> None:
        self.predictor, self.max_pairs, self.ensemble = predictor, max_pairs, ensemble

    def score(self, prompt: str | Sequence[str], answers: Sequence[Any]) -> Scores:
        """Return the scores of answers, each a text, or turns where the prompt has several.

        Raises
        ------
        DataError
            Where there are no answers, or where one can't be read.
        """
        candidates = make_candidates("1", prompt, answers)
        if candidates.problem:
            raise DataError(candidates.problem, "a prompt, and one or more answers with as many turns", "correct them")
        return self.score_all([candidates])[0]

    def compare(self, prompt: str | Sequence[str], a: Any, b: Any) -> Floats:
        """Return the (K,) probabilities of two answers, in the order of `Outcome`; errors as in `score`."""
        candidates = make_candidates("1", prompt, [a, b])
        if candidates.answers is None:
            raise DataError(candidates.problem, "a prompt, and two answers with as many turns", "correct them")
        answers = candidates.answers
        pair = Pairs(answers.ids[:1], answers.prompt[:1], answers.response_a[:1], answers.response_a[1:])
        probabilities: Floats = self.predictor.predict_pairs(pair)[0]
        return probabilities

    def score_all(self, rows: Sequence[Candidates]) -> list[Scores]:
        """Return the scores of several prompts, none of which has a `problem`; all are predicted together.

        Raises
        ------
        ConfigError
            Where `ensemble` is given, and a member of the blend has no rewards that are comparable.
        """
        field = Field.of(rows)
        rewards = self.predictor.rewards(field.answers, self.ensemble)
        if rewards is not None:
            return field.rewarded(rewards)
        pairs = field.pairs(self.max_pairs)
        probabilities = self.predictor.predict_pairs(pairs) if len(pairs) else np.empty((0, len(Outcome)))
        return field.compared(probabilities, self.max_pairs)


@dataclass(frozen=True, eq=False)
class Field:
    """The answers to several prompts, which are scored together.

    Attributes
    ----------
    prompts : list of tuple of Pairs and int64 array
        Of each prompt the different answers in the order of their texts, and which of them each answer is.
    """

    prompts: list[tuple[Pairs, Ints]]

    @classmethod
    def of(cls, rows: Sequence[Candidates]) -> Field:
        """Return those of candidates, none of which has a `problem`."""
        return cls([_different(row) for row in rows])

    @cached_property
    def answers(self) -> Pairs:
        """All different answers, as the responses A."""
        answers = Pairs.concatenate([different for different, _ in self.prompts])
        return replace(answers, ids=_numbers(len(answers)))

    def rewarded(self, rewards: Floats) -> list[Scores]:
        """Return the scores by prompt, from the rewards of `answers`."""
        ends = np.cumsum([len(different) for different, _ in self.prompts])[:-1]
        return [Scores(own[place]) for own, (_, place) in zip(np.split(rewards, ends), self.prompts, strict=True)]

    def pairs(self, max_pairs: int) -> Pairs:
        """Return the pairs that are compared, up to `max_pairs` of a prompt."""
        asked = [
            (different.prompt[first], different.response_a[first], different.response_a[second])
            for (different, _), (first, second) in zip(self.prompts, self._drawn(max_pairs), strict=True)
        ]
        prompt, a, b = (np.concatenate(column) for column in zip(*asked, strict=True))
        return Pairs(_numbers(len(prompt)), prompt, a, b)

    def compared(self, probabilities: Floats, max_pairs: int) -> list[Scores]:
        """Return the scores by prompt, from the (m, K) probabilities of the m `pairs`."""
        drawn = self._drawn(max_pairs)
        ends = np.cumsum([len(first) for first, _ in drawn])[:-1]
        return [
            strengths(len(different), *met, own, place)
            for (different, place), met, own in zip(self.prompts, drawn, np.split(probabilities, ends), strict=True)
        ]

    def _drawn(self, max_pairs: int) -> list[tuple[Ints, Ints]]:
        return [round_robin(len(different), max_pairs) for different, _ in self.prompts]


def member_predictor(predictor: Predictor, name: str) -> Predictor:
    """Return the predictor of one member of the same store alone, with fold models where `predictor` has them.

    Raises
    ------
    StoreError
        Where there is no such member.
    """
    names = predictor.store.member_names()
    if name not in names:
        raise StoreError(f"no member {name}", f"one of {', '.join(names)}", "correct member=")
    alone = lone_member(name, len(predictor.prior))
    return replace(predictor, method=name, members=[name], blender=alone.blender)


def round_robin(n: int, most: int) -> tuple[Ints, Ints]:
    """Return the pairs of n answers that are compared: all, or each answer with its next ones in a circle.

    A circle of n answers has n pairs for each distance, so that at least n pairs are compared where there are as many.
    """
    rows = np.arange(n)
    pairs: list[tuple[Ints, Ints]] = []
    for distance in range(1, n // 2 + 1):
        first = rows[: n // 2] if 2 * distance == n else rows
        if pairs and sum(len(own) for own, _ in pairs) + len(first) > most:
            break
        pairs.append((first, (first + distance) % n))
    if not pairs:
        return rows[:0], rows[:0]
    return np.concatenate([first for first, _ in pairs]), np.concatenate([second for _, second in pairs])


def strengths(n: int, first: Ints, second: Ints, probabilities: Floats, place: Ints) -> Scores:
    """Return the scores of answers from the (m, K) probabilities of m pairs of n different ones.

    `place` says for each answer which of the different ones it is.
    """
    if not len(first):
        return Scores(np.zeros(len(place)))
    target = np.zeros((len(first), len(Outcome)))
    target[:, : probabilities.shape[1]] = probabilities
    names = tuple(map(str, range(n)))
    ties = target[:, Outcome.TIE]
    kind = Kind.DAVIDSON if ties.any() else Kind.BRADLEY_TERRY
    fitted = fit(kind, Comparisons(names, first, second, target, _numbers(len(first)), np.empty((len(first), 0))))
    wins = target[:, Outcome.A_WINS] - target[:, Outcome.B_WINS]
    beats = np.zeros((n, n))
    beats[first, second], beats[second, first] = wins > 0, wins < 0
    cycles = round(float(np.einsum("ij,jk,ki", beats, beats, beats, optimize=True)) / 3)
    likeliest = int((ties > target[:, : Outcome.TIE].max(axis=1)).sum())
    return Scores(fitted.point[:n][place], len(first), likeliest, cycles)


def _numbers(n: int) -> Strings:
    return np.arange(n).astype(str).astype(object)


def _different(candidates: Candidates) -> tuple[Pairs, Ints]:
    """Return the different answers in the order of their texts, and which of them each answer is."""
    answers = candidates.answers
    if answers is None:
        raise ValueError(f"candidates with a problem: {candidates.problem}")
    texts: Strings = answers.response_a
    order = {turns: rank for rank, turns in enumerate(sorted({*texts}))}
    place = np.array([order[turns] for turns in texts], dtype=np.int64)
    _, first = np.unique(place, return_index=True)
    own = answers.take(first)
    return Pairs(own.ids, own.prompt, own.response_a, own.response_b), place
