"""The records that the parts of prefens hand to each other."""

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

Strings = NDArray[np.object_]  # of str, or of turns: tuple[str, ...]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORMAT_VERSION = 1  # of stored results; raised when old ones can no longer be compared with new ones
TOLERANCE = 1e-6  # of the sum of a row of probabilities
HOLDOUT = -1  # the fold number of rows that nothing trains, tunes or fits weights on


class Outcome(IntEnum):
    """What the annotator chose. The only place where the column order is written."""

    A_WINS = 0
    B_WINS = 1
    TIE = 2


SWAP = np.array([Outcome.B_WINS, Outcome.A_WINS, Outcome.TIE])  # the column order after A and B change places


def n_outcomes(label: NDArray[np.int8] | None = None) -> int:
    """Return the number of outcomes K of data with these labels: the one place that decides it.

    It is 3. Data without a tie would have 2, which nothing else supports yet.
    """
    return len(Outcome)


@dataclass(frozen=True, eq=False)
class Pairs:
    """n pairs, column by column.

    Attributes
    ----------
    ids : (n,) of str.
    prompt, response_a, response_b : (n,) of tuple[str, ...], one item a turn, as many in each of the three.
    label : (n,) int8 in the order of `Outcome`, or None (test rows).
    model_a, model_b : (n,) of str or None; for slicing and audits only, they don't exist at test time.
    truth : (n, 2, K) or None; known only for synthetic pairs: the outcome probabilities that the labels were
        drawn from, and those of the best predictor that cannot see which side is shown first.
    base, rows : the pairs that these were taken from and where, so that features are computed once for all folds.
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

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> NDArray[np.int8]:
        """The labels, (n,) int8 (ValueError where there are none)."""
        if self.label is None:
            raise ValueError("these pairs have no labels")
        return self.label

    @property
    def n_outcomes(self) -> int:
        """The number of outcomes K."""
        return n_outcomes(self.label)

    def take(self, rows: NDArray[Any]) -> Pairs:
        """Return the pairs at `rows` ((m,) positions or (n,) booleans), which remember where they came from."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else np.asarray(rows, dtype=np.int64)
        columns: dict[str, Any] = {
            name: values if values is None else values[rows] for name, values in self._columns().items()
        }
        origin = self if self.base is None else self.base
        return Pairs(**columns, base=origin, rows=rows if self.rows is None else self.rows[rows])

    def swapped(self) -> Pairs:
        """Return the same pairs with A and B exchanged, labels and models included."""
        return Pairs(
            ids=self.ids,
            prompt=self.prompt,
            response_a=self.response_b,
            response_b=self.response_a,
            label=None if self.label is None else SWAP[self.label].astype(np.int8),
            model_a=self.model_b,
            model_b=self.model_a,
            truth=None if self.truth is None else self.truth[:, :, SWAP],
        )

    def unlabelled(self) -> Pairs:
        """Return the pairs as test rows: ids and texts alone."""
        return Pairs(self.ids, self.prompt, self.response_a, self.response_b)

    @staticmethod
    def concatenate(parts: Sequence[Pairs]) -> Pairs:
        """Stack pairs; a column that any part lacks is dropped."""
        columns = [part._columns() for part in parts]
        names = [name for name in columns[0] if all(part[name] is not None for part in columns)]
        stacked: dict[str, Any] = {name: np.concatenate([part[name] for part in columns]) for name in names}
        return Pairs(**stacked)

    def _columns(self) -> dict[str, Any]:
        kept = ("ids", "prompt", "response_a", "response_b", "label", "model_a", "model_b", "truth")
        return {name: getattr(self, name) for name in kept}


@dataclass(frozen=True)
class Fold:
    """One split: the rows to train on, to predict out of fold, and the hold-out rows (positions)."""

    index: int
    train: Ints
    valid: Ints
    holdout: Ints


@dataclass(frozen=True, eq=False)
class Folds:
    """Which fold predicts each row, with all that scoring needs, so that blending needs no texts.

    Attributes
    ----------
    ids : (n,) of str; label : (n,) int8; group : (n,) of str, the prompt group.
    fold : (n,) int8 in [0, k), or HOLDOUT.
    truth : (n, 2, K) or None, as in `Pairs`.
    settings : scheme, k, seed and holdout share, as JSON values.
    data_digest : the digest of the pairs that were split.
    """

    ids: Strings
    label: NDArray[np.int8]
    group: Strings
    fold: NDArray[np.int8]
    settings: Mapping[str, Any]
    data_digest: str
    truth: Floats | None = None

    @cached_property
    def digest(self) -> str:
        """Covers the data digest, the settings and the assignment itself."""
        return digest([self.data_digest, dict(self.settings), self.ids.tolist(), self.fold.tolist()])

    @property
    def k(self) -> int:
        """The number of folds."""
        return int(self.settings["k"])

    @property
    def n_outcomes(self) -> int:
        """The number of outcomes K."""
        return n_outcomes(self.label)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """(n,) True for rows that a fold predicts, False for the hold-out."""
        return np.not_equal(self.fold, HOLDOUT)

    def split(self, index: int) -> Fold:
        """Return one fold's rows as positions."""
        train = np.flatnonzero(self.scored & (self.fold != index))
        return Fold(index, train, np.flatnonzero(self.fold == index), np.flatnonzero(~self.scored))

    def __iter__(self) -> Iterator[Fold]:
        return (self.split(index) for index in range(self.k))


@dataclass(frozen=True)
class RunKey:
    """The identity of a fold run: equal keys, equal predictions."""

    recipe_digest: str
    seed: int | None
    fold: int
    data_digest: str
    fold_digest: str
    format_version: int = FORMAT_VERSION

    @property
    def digest(self) -> str:
        return digest(self.as_dict())

    @property
    def member_digest(self) -> str:
        """The identity of the member that the fold run belongs to: its key without the fold."""
        return replace(self, fold=-1).digest

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    @property
    def random_seed(self) -> int:
        """A 32-bit seed for all randomness of the fold run, equal on every machine.

        It derives from seed, fold and fold digest alone: a new setting, or a new format, redraws nothing.
        """
        return int(digest([self.seed, self.fold, self.fold_digest])[:8], 16)


@dataclass(frozen=True, eq=False)
class FoldPredictions:
    """One fold run's probabilities: (n, K) for the held-out fold, and (h, K) for the hold-out rows."""

    key: RunKey
    ids: Strings
    probabilities: Floats
    holdout_ids: Strings
    holdout_probabilities: Floats


@dataclass(frozen=True, eq=False)
class PairFeatures:
    """Features of n pairs: `odd` (n, p) change sign when A and B change places, `even` (n, q) stay; with names."""

    names_odd: tuple[str, ...]
    names_even: tuple[str, ...]
    odd: Floats
    even: Floats

    def take(self, rows: NDArray[Any] | slice) -> PairFeatures:
        """Return the features of the pairs at `rows` (positions, booleans or a slice)."""
        return replace(self, odd=self.odd[rows], even=self.even[rows])


@dataclass(frozen=True)
class MemberInfo:
    """What names a member: its unique name, and its backbone, seed and recipe digest (None where made elsewhere)."""

    name: str
    backbone: str | None
    seed: int | None
    recipe: str | None = None
    tuned_on_oof: bool = False  # its settings were chosen by the rows that it is scored on


@dataclass(frozen=True, eq=False)
class OOFStack:
    """The probabilities of M comparable members on the same n rows.

    Attributes
    ----------
    members : M of MemberInfo.
    probabilities : (M, n, K) float64 (float32 halves the memory), rows summing to 1 within 1e-6.
    folds : the assignment of the n rows; `folds.fold` is HOLDOUT throughout for a stack of hold-out rows.
    features : of the n pairs, for blenders that look at the pair too; or None.
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
        """Return the stack of the rows where `keep` ((n,) booleans) is True."""
        features = None if self.features is None else self.features.take(keep)
        kept = np.compress(keep, self.probabilities, axis=1)  # indexing would put the members last in memory
        return replace(self, probabilities=kept, folds=take_rows(self.folds, keep), features=features)


def take_rows(folds: Folds, keep: NDArray[np.bool_]) -> Folds:
    """Return the assignment of the rows where `keep` ((n,) booleans) is True."""
    columns = {name: getattr(folds, name)[keep] for name in ("ids", "label", "group", "fold")}
    return replace(folds, **columns, truth=None if folds.truth is None else folds.truth[keep])
