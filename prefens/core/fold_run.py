"""A fold run: the key that identifies it, and the probabilities that it predicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.hashing import digest
from prefens.core.types import Floats, Folds, Strings

FULL = "all"  # what a full fit is called: the fold run number k, trained on all scored rows and scored on the hold-out
SOURCE = "source"  # the scheme whose folds are the sources of the data, one fold a source
FORMAT_VERSION = 2  # of stored files; raised when those of an older one can no longer be compared with new ones


@dataclass(frozen=True)
class RunKey:
    """The identity of a fold run: equal keys, equal predictions.

    Attributes
    ----------
    recipe_digest : str
        The digest of the member's recipe, 64 hex digits.
    seed : int or None
        The seed of the member; None for an external member.
    fold : int
        The fold, in [0, k); k for the full fit.
    data_digest, fold_digest : str
        The digests of data and folds, 64 hex digits.
    format_version : int
        The format version of the stored files.
    second : int or None
        Another fold that the training leaves out, above `fold`; None for a fold run of a member, which leaves out one.
    """

    recipe_digest: str
    seed: int | None
    fold: int
    data_digest: str
    fold_digest: str
    format_version: int = FORMAT_VERSION
    second: int | None = None

    @property
    def digest(self) -> str:
        """The digest of the key, 64 hex digits."""
        return digest(self.as_dict())

    @property
    def member_digest(self) -> str:
        """The identity of the member: the digest of the key without the fold."""
        return replace(self, fold=-1, second=None).digest

    def as_dict(self) -> dict[str, Any]:
        """Return the key as JSON values; `second` is left out where it is None."""
        return {name: value for name, value in vars(self).items() if name != "second" or value is not None}

    @property
    def random_seed(self) -> int:
        """The seed of all randomness of the fold run, in [0, 2^32), equal on every machine.

        It derives from seed, fold and fold digest alone, so that a new setting or a new format changes no draw.
        """
        left_out = self.fold if self.second is None else [self.fold, self.second]
        return int(digest([self.seed, left_out, self.fold_digest])[:8], 16)


@dataclass(frozen=True, eq=False)
class FoldPredictions:
    """The probabilities of a fold run.

    Attributes
    ----------
    key : RunKey
        The fold run.
    ids : array of str, shape (n,)
        The rows of the fold; none of a full fit.
    probabilities : array of float64, shape (n, K)
        Out of fold, rows summing to 1.
    holdout_ids : array of str, shape (h,)
        The held-out rows.
    holdout_probabilities : array of float64, shape (h, K)
        Of the held-out rows.
    """

    key: RunKey
    ids: Strings
    probabilities: Floats
    holdout_ids: Strings
    holdout_probabilities: Floats


def is_by_source(folds: Folds) -> bool:
    """Return whether each fold holds out a source, so that scores are those on data from elsewhere."""
    return bool(folds.settings.get("scheme") == SOURCE)


def training_rows(folds: Folds, held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows may be fitted on by what predicts the rows `held_out`; both are masks, (n,).

    These are all other scored rows. Where folds are sources, a prompt may be in several of them, and rows whose prompt
    is held out are left out too.
    """
    rows: NDArray[np.bool_] = folds.scored & ~held_out
    if is_by_source(folds):
        unseen = set(folds.group[held_out])
        rows &= np.array([name not in unseen for name in folds.group], dtype=bool)
    return rows
