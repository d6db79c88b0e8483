"""A teacher's probabilities of the pairs of a corpus, fold by fold, and how a student learns from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import ConfigError
from prefens.core.hashing import digest, identity_fields
from prefens.core.teaching.targets import NO_VOTE, Targets
from prefens.core.types import Floats, Ints

OF_UNLABELLED = ("unlabelled_share", "min_confidence")  # settings that decide nothing where all pairs have votes


class TeacherScheme(Enum):
    """Which teachers label the training rows of a fold.

    Attributes
    ----------
    oof
        Those that did not see the row. They saw the fold that the student is scored on, which makes its out-of-fold
        score too good: only a hold-out is honest.
    nested
        Those that saw neither the row nor the fold that the student is scored on: its out-of-fold score is honest.
    """

    oof = "oof"
    nested = "nested"


@dataclass
class TeacherSettings:
    """How a student learns from its teacher.

    Attributes
    ----------
    scheme : TeacherScheme
        Which teachers label the training rows of a fold.
    share : float in [0, 1]
        Share of the teacher's probabilities in the loss of a pair that has a vote; the vote has the rest.
    temperature : float in [0.01, 100]
        What the logits of teacher and student are divided by.
    unlabelled_share : float in [0, 1)
        Share of the loss that pairs without votes have, where there are any.
    min_confidence : float in [0, 1)
        Pairs without votes are left out where the teacher's highest probability is lower.

    Raises
    ------
    ConfigError
        A value is out of its range.
    """

    scheme: TeacherScheme = TeacherScheme.oof
    share: float = 0.5
    temperature: float = 1.0
    unlabelled_share: float = 0.5
    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        ranges = {
            "share": (0 <= self.share <= 1, "a share in [0, 1]"),
            "temperature": (0.01 <= self.temperature <= 100, "a number from 0.01 to 100"),
            "unlabelled_share": (0 <= self.unlabelled_share < 1, "a share in [0, 1)"),
            "min_confidence": (0 <= self.min_confidence < 1, "a probability in [0, 1)"),
        }
        for name, (valid, expected) in ranges.items():
            if not valid:
                raise ConfigError(f"teacher.{name}={getattr(self, name)}", expected, f"correct teacher.{name}")


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """A teacher's probabilities of the N pairs of a corpus.

    Attributes
    ----------
    by_fold : mapping of int to float64 array, shape (N, K)
        From a fold to the probabilities that a student may learn from whose training leaves this fold out, NaN where no
        teacher may label the pair. The fold k, of k folds, stands for a training that leaves none out.
    n_voted : int
        The pairs from this place on have no votes.
    settings : TeacherSettings
        How a student learns from them.
    unlabelled_digest : str or None
        The digest of the pairs without votes; None where there are none.
    tuned_on_oof : bool
        Whether settings of a teacher were chosen by the votes of all folds, which its students then know too. Not a
        part of the recipe.
    """

    by_fold: Mapping[int, Floats]
    n_voted: int
    settings: TeacherSettings
    unlabelled_digest: str | None = None
    tuned_on_oof: bool = False

    @cached_property
    def digest(self) -> str:
        """The digest of the probabilities, 64 hex digits."""
        hashed = sha256(digest([sorted(self.by_fold), self.n_voted, self.unlabelled_digest]).encode())
        for fold in sorted(self.by_fold):
            hashed.update(np.where(np.isnan(self.by_fold[fold]), -1.0, self.by_fold[fold]).astype("<f8").tobytes())
        return hashed.hexdigest()

    def recipe(self) -> dict[str, Any]:
        """Return the student's part of the recipe: the settings and the digest of the probabilities."""
        fields: dict[str, Any] = identity_fields(self.settings)
        if self.unlabelled_digest is None:  # then these decide nothing
            fields = {name: value for name, value in fields.items() if name not in OF_UNLABELLED}
        return {**fields, "digest": self.digest}

    def taught(self, fold: int) -> NDArray[np.bool_]:
        """Return which pairs the teacher of a fold labels, (N,)."""
        probabilities = self.by_fold[fold]
        taught: NDArray[np.bool_] = np.isfinite(probabilities[:, 0])
        confident = np.nan_to_num(probabilities).max(axis=1) >= self.settings.min_confidence
        taught[self.n_voted :] &= confident[self.n_voted :]
        return taught

    def learned(self, fold: int) -> NDArray[np.bool_]:
        """Return which pairs a training may have, (N,): those with a vote, and those without that are labelled."""
        learned: NDArray[np.bool_] = np.arange(len(self.by_fold[fold])) < self.n_voted
        if self.settings.unlabelled_share > 0:
            learned |= self.taught(fold)
        return learned

    def label(self, fold: int, rows: Ints, label: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return the labels of pairs, (m,), with the teacher's likeliest outcome where there is no vote."""
        return np.where(rows < self.n_voted, label, np.nan_to_num(self.by_fold[fold][rows]).argmax(axis=1)).astype(
            np.int8
        )

    def targets(self, fold: int, rows: Ints, label: NDArray[np.int8]) -> Targets:
        """Return the targets of the training pairs of a fold.

        Parameters
        ----------
        fold : int
            The fold that the training leaves out, or k.
        rows : int64 array, shape (m,)
            The places of the pairs among the N, all of them `learned`.
        label : int8 array, shape (m,)
            Their votes; of pairs without one it is not read.
        """
        teacher, voted, settings = self.by_fold[fold][rows], rows < self.n_voted, self.settings
        total = voted.sum() * settings.unlabelled_share / (1.0 - settings.unlabelled_share)
        each = total / max(1, (~voted).sum())  # the weight of a pair without a vote
        weight = np.where(voted, settings.share, each) * self.taught(fold)[rows]
        vote = np.where(voted, label, NO_VOTE).astype(np.int8)
        return Targets.of_teacher(vote, teacher, weight, settings.temperature)
