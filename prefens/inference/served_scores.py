"""Candidates in requests to a server: scored in turns, so that no request waits for a large one; refused by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from prefens.core.errors import BlendError
from prefens.core.types import Floats, Pairs
from prefens.data.candidates import Candidates
from prefens.data.request import read_candidate_rows
from prefens.inference.reward_ensemble import Ensemble
from prefens.inference.scorer import Judge, Scorer

MOST_ANSWERS = 1000  # of one row

Turn = Callable[[Callable[[Pairs], Any], Pairs], Any]  # calls a function with some pairs when it has its turn


@dataclass(frozen=True)
class TurnTaking:
    """A judge that has a turn for every few pairs.

    Attributes
    ----------
    judge : Judge
        What predicts.
    turn : callable
        Calls a function with some pairs, when it has its turn.
    size : int
        Pairs of a turn.
    """

    judge: Judge
    turn: Turn
    size: int

    def rewards(self, pairs: Pairs, ensemble: Ensemble | None) -> Floats | None:
        """Return what the judge does."""
        rewards: Floats | None = self._in_turns(partial(self.judge.rewards, ensemble=ensemble), pairs)
        return rewards

    def predict_pairs(self, pairs: Pairs) -> Floats:
        """Return what the judge does."""
        probabilities: Floats = self._in_turns(self.judge.predict_pairs, pairs)
        return probabilities

    def _in_turns(self, function: Callable[[Pairs], Any], pairs: Pairs) -> Any:
        """Return what a function returns of all pairs; None where it returns that of the first ones."""
        parts: list[Floats] = []
        for start in range(0, len(pairs), self.size):
            part = self.turn(function, pairs.take(np.arange(start, min(start + self.size, len(pairs)))))
            if part is None:
                return None
            parts.append(part)
        return np.concatenate(parts)


def answer_candidates(columns: Mapping[str, list[Any]], judge: Judge) -> pd.DataFrame:
    """Return the scores of the candidates in each row of a request.

    Parameters
    ----------
    columns : mapping of str to list of n values
        As in `PairsRequest`, with `responses`.
    judge : Judge
        What scores, such as a `Predictor` or a `TurnTaking`.

    Returns
    -------
    DataFrame of n rows
        Columns id (if the request has it), rewards (a list, as in `Scores`, or None), best (the place of the best
        answer, from 0, or None) and problem (why a row is refused, or None).
    """
    scorer = Scorer(judge)
    rows = [_row(scorer, each) for each in read_candidate_rows(columns)]
    frame = pd.DataFrame(rows, columns=["rewards", "best", "problem"], dtype=object)
    if "id" in columns:
        frame.insert(0, "id", pd.Series(columns["id"], dtype=object))
    return frame


def _row(scorer: Scorer, candidates: Candidates) -> tuple[list[float] | None, int | None, str | None]:
    answers = candidates.answers
    if answers is None:
        return None, None, candidates.problem
    if len(answers) > MOST_ANSWERS:
        return None, None, f"{len(answers)} answers, expected {MOST_ANSWERS} or fewer"
    try:
        scores = scorer.score_all([candidates])[0]
    except BlendError as error:
        return None, None, f"no strengths fit: {error.came}"
    return scores.rewards.tolist(), scores.best, None
