"""From probabilities to one outcome, by a rule that is fitted for accuracy and scored without the rows it saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from prefens.core.errors import BlendError
from prefens.core.fold_run import training_rows
from prefens.core.metrics import CLIP, accuracy
from prefens.core.types import Floats, Folds, Ints, Outcome

METRICS = ("log_loss", "accuracy")
MOST = 1e6  # of what a row needs to be a tie; a tie's weight is at most twice as much, or half of the least


@dataclass(frozen=True)
class Decision:
    """The outcome with the largest probability, where that of a tie counts `tie_weight` times.

    A and B are treated alike, so exchanging them exchanges what is decided. With two outcomes there is nothing to fit.

    Attributes
    ----------
    tie_weight : float in [1 / (2 * MOST), 2 * MOST]
        Above 1, ties are decided more often than where they are the most probable outcome.
    """

    tie_weight: float = 1.0

    @staticmethod
    def fit(probabilities: Floats, label: NDArray[np.int8]) -> Decision:
        """Return the rule with the highest accuracy on labelled predictions (n, K), the closest to 1 of equals."""
        if probabilities.shape[1] == 2 or not len(label):
            return Decision()
        wins = probabilities[:, [Outcome.A_WINS, Outcome.B_WINS]]
        needed = np.clip(wins.max(axis=1) / np.maximum(probabilities[:, Outcome.TIE], CLIP), 1 / MOST, MOST)
        order = np.argsort(needed, kind="stable")  # the first m rows are ties for a weight between two of these
        gain = (label == Outcome.TIE).astype(np.float64) - _credit(wins, label)
        total = np.concatenate([[0.0], np.cumsum(gain[order])])
        edges = np.concatenate([[needed[order[0]] / 2], needed[order], [needed[order[-1]] * 2]])
        weights = np.sqrt(edges[:-1] * edges[1:])  # between two rows, m = 0, ..., n
        possible = np.append(True, np.diff(edges)[1:] > 0)
        best = possible & (total >= total[possible].max() - 1e-9)
        return Decision(float(weights[best][np.argmin(np.abs(np.log(weights[best])))]))

    def weigh(self, probabilities: Floats) -> Floats:
        """Return (n, K) numbers whose largest is the outcome that is decided."""
        if probabilities.shape[1] == 2:
            return probabilities
        weighed: Floats = probabilities * np.array([1.0, 1.0, self.tie_weight])
        return weighed

    def decide(self, probabilities: Floats) -> Ints:
        """Return the outcomes, (n,) in the order of `Outcome`, of predictions (n, K); of equals the first."""
        outcome: Ints = self.weigh(probabilities).argmax(axis=1)
        return outcome


ARGMAX = Decision()
TieWeight = Annotated[float, Field(ge=1 / (2 * MOST), le=2 * MOST, allow_inf_nan=False)]  # of whatever origin


def _credit(wins: Floats, label: NDArray[np.int8]) -> Floats:
    """Return what deciding for the likelier side scores, (n,): 1, 0, or a half where both are as likely."""
    likely = wins >= wins.max(axis=1, keepdims=True) - 1e-12
    hit = np.column_stack([label == Outcome.A_WINS, label == Outcome.B_WINS])
    credit: Floats = (likely & hit).sum(axis=1) / likely.sum(axis=1)
    return credit


def decided_accuracy(probabilities: Floats, folds: Folds) -> float:
    """Return the accuracy, in [0, 1], of decisions whose rule was fitted on the other folds of the n rows.

    Where folds are sources, it was fitted without the prompts of the scored source too.

    Raises
    ------
    BlendError
        Where there are fewer than two folds.
    """
    numbers = np.unique(folds.fold)
    if len(numbers) < 2:
        raise BlendError(f"{len(numbers)} fold", "two or more to score a rule across", "train with more folds")
    weighed: Floats = np.empty_like(probabilities, dtype=np.float64)
    for index in numbers:
        held_out = folds.fold == index
        rows = training_rows(folds, held_out)
        rule = Decision.fit(probabilities[rows], folds.label[rows])
        weighed[held_out] = rule.weigh(probabilities[held_out])
    return accuracy(weighed, folds.label)
