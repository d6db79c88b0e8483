"""A student beside its teacher, on rows whose votes neither of them saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from prefens.core.bootstrap import GroupBootstrap
from prefens.core.metrics import row_losses
from prefens.core.types import Floats, Folds, Ints
from prefens.ensemble.leaderboard import Scores, scores

OUT_OF_FOLD, HELD_OUT = "out of fold", "hold-out"


@dataclass(frozen=True)
class Cost:
    """What predictions cost.

    Attributes
    ----------
    models : int
        Models that see each pair.
    megabytes : float
        Of their files, in 10^6 bytes, without backbones that they refer to.
    seconds : float or None
        Wall clock for 1,000 pairs with the models in memory and no cache of features; None where it was not measured.
    pairs : int
        Pairs that this was measured on.
    """

    models: int
    megabytes: float
    seconds: float | None = None
    pairs: int = 0


@dataclass(frozen=True, eq=False)
class Comparison:
    """Student and teacher on some rows.

    Attributes
    ----------
    rows : str
        `OUT_OF_FOLD` or `HELD_OUT`.
    folds : Folds
        The n rows.
    student, teacher : float64 array, shape (n, K)
        Of both.
    """

    rows: str
    folds: Folds
    student: Floats
    teacher: Floats

    @property
    def scores(self) -> tuple[Scores, Scores]:
        """The scores of the student and of the teacher."""
        return scores(self.student, self.folds), scores(self.teacher, self.folds)

    def difference(self) -> tuple[float, float, float]:
        """Return by how many nats the student's log loss is above the teacher's, with the 95 % interval by prompts."""
        label = self.folds.label
        values = row_losses(self.student, label) - row_losses(self.teacher, label)
        ((low, high),) = GroupBootstrap(self.folds.group).intervals(values[None]).tolist()
        return float(values.mean()), low, high


@dataclass(frozen=True, eq=False)
class Distillation:
    """A student, its teacher, their predictions and their costs.

    Attributes
    ----------
    student : str
        The name of the member.
    content : sequence of str
        The digests of the student's stored runs, which tell whether it was trained again.
    source : str
        What teacher.source named.
    members : sequence of str
        The members that the teacher is made of.
    scheme : str
        "oof" or "nested".
    comparisons : sequence of Comparison
        On each kind of rows that are honest for the student.
    student_cost, teacher_cost : Cost or None
        None of a teacher without models.
    """

    student: str
    content: Sequence[str]
    source: str
    members: Sequence[str]
    scheme: str
    comparisons: Sequence[Comparison] = field(default_factory=list)
    student_cost: Cost | None = None
    teacher_cost: Cost | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as distil.json holds it, without the probabilities; log loss in nats."""
        costs = {"student": self.student_cost, "teacher": self.teacher_cost}
        compared = []
        for each in self.comparisons:
            student, teacher = each.scores
            entry = {"rows": each.rows, "n_pairs": len(each.folds.ids), "student": student.as_dict()}
            compared.append({**entry, "teacher": teacher.as_dict(), "difference": list(each.difference())})
        return {
            "student": self.student,
            "source": self.source,
            "members": list(self.members),
            "scheme": self.scheme,
            "comparisons": compared,
            "costs": {name: None if cost is None else dict(vars(cost)) for name, cost in costs.items()},
        }


def most_different(comparison: Comparison, count: int) -> Ints:
    """Return the places of the `count` rows of which student and teacher predict the most different things.

    The measure is the total variation between their probabilities.
    """
    distance = np.abs(comparison.student - comparison.teacher).sum(axis=1) / 2.0
    return np.argsort(-distance, kind="stable")[:count]
