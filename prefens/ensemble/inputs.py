"""What a blend is made from: members on one data set and its folds, and their pairs where they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prefens.core.types import Folds, OOFStack, Pairs
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore


@dataclass(frozen=True, eq=False)
class Given:
    """Labelled pairs, sorted by id, and what loading repaired: kind -> rows."""

    pairs: Pairs
    repaired: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Gathered:
    """The members to blend.

    Attributes
    ----------
    folds : all rows of the data, whose digests name the blend; those of `stack` may be fewer.
    holdout : the members on the held-out rows, or None where none are held out or a member lacks them.
    split : the part of the store that the folds are from, or None without a store.
    stored : the members that are from it; given : the texts of all rows, where they are given.
    """

    folds: Folds
    stack: OOFStack
    holdout: OOFStack | None
    split: SplitStore | None
    stored: Sequence[MemberSpec] = ()
    given: Given | None = None

    @property
    def pairs(self) -> Pairs | None:
        """The texts of all rows, sorted by id as the folds are, or None."""
        return None if self.given is None else self.given.pairs
