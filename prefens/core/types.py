"""The values that the packages of prefens hand to each other: pairs, folds, features, stacks of members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import StoreError
from prefens.core.hashing import digest

Strings = NDArray[np.object_]  # of str, or of tuple[str, ...], the turns of a text
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOLERANCE = 1e-6  # how far from 1 the sum of a row of probabilities may be
HOLDOUT = -1  # the fold number of rows that nothing trains, tunes or fits weights on


class Outcome(IntEnum):
    """What the annotator chose. This is the only place where the order of the K columns is written."""

    A_WINS = 0
    B_WINS = 1
    TIE = 2


SWAP = np.array([Outcome.B_WINS, Outcome.A_WINS, Outcome.TIE])  # the column order after A and B change places


def outcomes(k: int = 3) -> tuple[Outcome, ...]:
    """Return the K outcomes that data may have: all three, or for K = 2 those without a tie."""
    return tuple(Outcome)[:k]


def outcome_names(k: int = 3) -> tuple[str, ...]:
    """Return the names of the K columns in files."""
    return tuple(outcome.name.lower() for outcome in outcomes(k))


@dataclass(frozen=True, eq=False)
class Pairs:
    """n pairs, column by column.

    Attributes
    ----------
    ids : array of str, shape (n,)
        Each once.
    prompt, response_a, response_b : array of tuple of str, shape (n,)
        The turns of each text; a row has equally many in all three.
    label : array of int8, shape (n,), or None
        In the order of `Outcome`; None for test rows.
    model_a, model_b : array of str, shape (n,), or None
        Who wrote the responses; for slicing and audits only, since test rows don't have them.
    truth : array, shape (n, 2, K), or None
        Of synthetic pairs: the outcome probabilities that the labels were drawn from, and those of the best predictor
        that cannot see which response is shown first.
    base : Pairs or None
        The pairs that these were taken from, so that features are computed once for all folds.
    rows : array of int64, shape (n,), or None
        Where these were in `base`.
    n_outcomes : int
        K, the number of outcomes that labelled pairs may have: 3, or 2 without ties.
    """

    ids: Strings
    prompt: Strings
    response_a: Strings
    response_b: Strings
    label: NDArray[np.int8] | None = None
    model_a: Strings | None = None
    model_b: Strings | None = None
    truth: Floats | None = None
    base: Pairs | None = None
    rows: Ints | None = None
    n_outcomes: int = 3

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> NDArray[np.int8]:
        """The labels, (n,) int8; ValueError for test rows."""
        if self.label is None:
            raise ValueError("these pairs have no labels")
        return self.label

    def take(self, rows: NDArray[Any]) -> Pairs:
        """Return the pairs at `rows`, (m,) positions or (n,) booleans, with `base` and `rows` set."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else np.asarray(rows, dtype=np.int64)
        columns: dict[str, Any] = {
            name: values if values is None else values[rows] for name, values in self._columns().items()
        }
        origin = self if self.base is None else self.base
        return replace(self, **columns, base=origin, rows=rows if self.rows is None else self.rows[rows])

    def swapped(self) -> Pairs:
        """Return the same pairs with A and B exchanged in every column."""
        return replace(
            self,
            response_a=self.response_b,
            response_b=self.response_a,
            label=None if self.label is None else SWAP[self.label].astype(np.int8),
            model_a=self.model_b,
            model_b=self.model_a,
            truth=None if self.truth is None else self.truth[..., SWAP[: self.truth.shape[-1]]],
            base=None,
            rows=None,
        )

    def unlabelled(self) -> Pairs:
        """Return the pairs as test rows, with ids and texts only."""
        return Pairs(self.ids, self.prompt, self.response_a, self.response_b)

    @staticmethod
    def concatenate(parts: Sequence[Pairs]) -> Pairs:
        """Return the rows of all parts, in order; a column that one part lacks is dropped."""
        columns = [part._columns() for part in parts]
        names = [name for name in columns[0] if all(part[name] is not None for part in columns)]
        stacked: dict[str, Any] = {name: np.concatenate([part[name] for part in columns]) for name in names}
        return Pairs(**stacked, n_outcomes=max(part.n_outcomes for part in parts))

    def _columns(self) -> dict[str, Any]:
        names = ("ids", "prompt", "response_a", "response_b", "label", "model_a", "model_b", "truth")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Fold:
    """The rows of one fold run, as positions.

    Attributes
    ----------
    index : int
        The number of the fold, in [0, k).
    train, valid, holdout : array of int64
        Rows to train on, rows to predict out of fold, and held-out rows, which are predicted too.
    """

    index: int
    train: Ints
    valid: Ints
    holdout: Ints


@dataclass(frozen=True, eq=False)
class Folds:
    """The fold that predicts each row, with all that scoring needs, so that blending needs no texts.

    Attributes
    ----------
    ids : array of str, shape (n,)
        Each once.
    label : array of int8, shape (n,)
        In the order of `Outcome`.
    group : array of str, shape (n,)
        The prompt group.
    fold : array of int8, shape (n,)
        In [0, k), or `HOLDOUT`.
    settings : mapping
        The scheme, k, seed and hold-out share, as JSON values.
    data_digest : str
        The digest of the pairs that were split, 64 hex digits.
    truth : array, shape (n, 2, K), or None
        As in `Pairs`.
    n_outcomes, format : int and str
        As in `Pairs`, and the format that the pairs were read in, "" where that is not known.
    """

    ids: Strings
    label: NDArray[np.int8]
    group: Strings
    fold: NDArray[np.int8]
    settings: Mapping[str, Any]
    data_digest: str
    truth: Floats | None = None
    n_outcomes: int = 3
    format: str = ""

    @cached_property
    def digest(self) -> str:
        """The digest of data digest, settings and assignment, 64 hex digits."""
        return digest([self.data_digest, dict(self.settings), self.ids.tolist(), self.fold.tolist()])

    @property
    def k(self) -> int:
        """The number of folds."""
        return int(self.settings["k"])

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Whether a fold predicts the row, (n,); False for the hold-out."""
        return np.not_equal(self.fold, HOLDOUT)

    def split(self, index: int) -> Fold:
        """Return the rows of one fold; for k, all scored rows to train on, and none to predict but the hold-out."""
        train = np.flatnonzero(self.scored & (self.fold != index))
        return Fold(index, train, np.flatnonzero(self.fold == index), np.flatnonzero(~self.scored))

    def rows(self, keep: NDArray[np.bool_]) -> Folds:
        """Return the assignment of the rows where `keep`, (n,), is True."""
        columns = {name: getattr(self, name)[keep] for name in ("ids", "label", "group", "fold")}
        return replace(self, **columns, truth=None if self.truth is None else self.truth[keep])

    def __iter__(self) -> Iterator[Fold]:
        return (self.split(index) for index in range(self.k))


@dataclass(frozen=True, eq=False)
class PairFeatures:
    """Features of n pairs.

    Attributes
    ----------
    names_odd, names_even : tuple of str
        The names of the p odd and q even features.
    odd : array of float64, shape (n, p)
        Features that change sign when A and B change places.
    even : array of float64, shape (n, q)
        Features that stay the same.
    """

    names_odd: tuple[str, ...]
    names_even: tuple[str, ...]
    odd: Floats
    even: Floats

    def take(self, rows: NDArray[Any] | slice) -> PairFeatures:
        """Return the features of the pairs at `rows` (positions, booleans or a slice)."""
        return replace(self, odd=self.odd[rows], even=self.even[rows])


@dataclass(frozen=True)
class MemberInfo:
    """What identifies a member in a stack.

    Attributes
    ----------
    name : str
        Unique among the members.
    backbone, seed, recipe : str, int and str, or None
        The short name of its backbone, its seed, and the digest of its recipe; None where there is none.
    tuned_on_oof, taught_on_oof : bool
        Whether the votes of the rows that it is scored on were seen by who chose its settings, or by its teachers.
    """

    name: str
    backbone: str | None
    seed: int | None
    recipe: str | None = None
    tuned_on_oof: bool = False
    taught_on_oof: bool = False


@dataclass(frozen=True, eq=False)
class OOFStack:
    """The probabilities of M comparable members on the same n rows.

    Attributes
    ----------
    members : tuple of MemberInfo
        The M members.
    probabilities : array, shape (M, n, K)
        float64, or float32 to halve the memory; rows sum to 1 within 1e-6.
    folds : Folds
        The assignment of the n rows; `folds.fold` is `HOLDOUT` throughout in a stack of held-out rows.
    features : PairFeatures or None
        Of the n pairs, for blenders that look at the pair too.

    Raises
    ------
    StoreError
        Where the probabilities have another shape.
    """

    members: tuple[MemberInfo, ...]
    probabilities: Floats
    folds: Folds
    features: PairFeatures | None = None

    def __post_init__(self) -> None:
        expected = (len(self.members), len(self.folds.ids), self.folds.n_outcomes)
        if self.probabilities.shape != expected:
            raise StoreError(
                f"probabilities of shape {self.probabilities.shape}",
                f"(members, rows, outcomes) = {expected}",
                "give one row of probabilities per pair and member",
            )

    def rows(self, keep: NDArray[np.bool_]) -> OOFStack:
        """Return the stack of the rows where `keep`, (n,), is True."""
        probabilities = np.compress(keep, self.probabilities, axis=1)  # indexing would put the members last in memory
        features = None if self.features is None else self.features.take(keep)
        return replace(self, probabilities=probabilities, folds=self.folds.rows(keep), features=features)
