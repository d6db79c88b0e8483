"""What a benchmark holds beside its pairs: subsets, prompts with several answers, pairs that come again."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prefens.core.types import Ints, Outcome, Pairs, Strings
from prefens.data.folds import prompt_groups

PLACES = re.compile(r"(.*)-(\d+)-(\d+)", re.DOTALL)  # the id of a pair of lists ends in the places of its answers
TIES = re.compile(
    r"(ref|tied):(.+)", re.DOTALL
)  # ids of RewardBench 2's Ties: a question with one right answer, or many


@dataclass(frozen=True, eq=False)
class AnswerList:
    """A prompt with c chosen and r rejected answers, of which every two were paired.

    Attributes
    ----------
    id : str
        The id of the row that it was.
    rows : array of int64, shape (c, r)
        The pair of each chosen and rejected answer.
    """

    id: str
    rows: Ints

    @property
    def answers(self) -> int:
        """The number of answers, c + r."""
        return sum(self.rows.shape)

    @property
    def tie(self) -> tuple[str, str] | None:
        """Of a row of RewardBench 2's Ties: "ref" or "tied", and which question it is; None of others."""
        match = TIES.fullmatch(self.id)
        return None if match is None else (match[1], match[2])


@dataclass(frozen=True, eq=False)
class Benchmark:
    """n labelled pairs to judge.

    Attributes
    ----------
    pairs : Pairs
        The pairs.
    group : array of str, shape (n,)
        Their prompt groups: intervals draw those.
    subset : array of str, shape (n,)
        The part of the benchmark that each is of; "" throughout where it has none.
    lists : sequence of AnswerList
        Prompts with several answers.
    flipped : array of bool, shape (n,)
        Whether the answers are in the other order of the two.
    same : sequence of array of int64
        The rows of each pair of answers that comes more than once, in either order.
    """

    pairs: Pairs
    group: Strings
    subset: Strings
    lists: Sequence[AnswerList]
    flipped: np.ndarray[tuple[int], np.dtype[np.bool_]]
    same: Sequence[Ints]

    @property
    def decided(self) -> Ints:
        """The rows that have a winner, (d,)."""
        return np.flatnonzero(self.pairs.labels != Outcome.TIE)


def make_benchmark(pairs: Pairs, subset: Strings | None = None) -> Benchmark:
    """Return the benchmark of labelled pairs; `subset`, (n,), is the part of it that each is of."""
    own = np.full(len(pairs), "", dtype=object) if subset is None else subset
    flipped = np.array([a > b for a, b in zip(pairs.response_a, pairs.response_b, strict=True)], dtype=bool)
    return Benchmark(pairs, prompt_groups(pairs), own, find_lists(pairs), flipped, _same(pairs))


def find_lists(pairs: Pairs) -> list[AnswerList]:
    """Return the prompts with lists of answers, by the ids that the reader of such rows gives to their pairs.

    Those of which pairs are missing are left out.
    """
    places: defaultdict[str, dict[tuple[int, int], int]] = defaultdict(dict)
    for row, id_ in enumerate(pairs.ids):
        match = PLACES.fullmatch(id_)
        if match is not None and pairs.labels[row] != Outcome.TIE:
            places[match[1]][int(match[2]), int(match[3])] = row
    lists = []
    for id_, rows in places.items():
        chosen, rejected = (max(place[side] for place in rows) for side in (0, 1))
        whole = len(rows) == chosen * rejected > 1 and min(min(place) for place in rows) == 1
        if whole and len({pairs.prompt[row] for row in rows.values()}) == 1:
            table = np.empty((chosen, rejected), dtype=np.int64)
            for place, row in rows.items():
                table[place[0] - 1, place[1] - 1] = row
            lists.append(AnswerList(id_, table))
    return lists


def _same(pairs: Pairs) -> list[Ints]:
    """Return the rows of each pair of different answers that comes more than once."""
    rows: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for row, (prompt, a, b) in enumerate(zip(pairs.prompt, pairs.response_a, pairs.response_b, strict=True)):
        if a != b:
            rows[prompt, min(a, b), max(a, b)].append(row)
    return [np.array(each) for each in rows.values() if len(each) > 1]
