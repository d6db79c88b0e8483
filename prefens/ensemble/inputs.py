"""What a blend is made from: members on one data set and its folds, and the texts of the pairs where they are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prefens.core.types import Folds, OOFStack, Pairs, Strings
from prefens.data.loaded import SourceRecord
from prefens.ensemble.results import OtherSplit
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore


@dataclass(frozen=True, eq=False)
class LabelledData:
    """Labelled pairs that were loaded from data.path.

    Attributes
    ----------
    pairs : Pairs
        The pairs, sorted by id.
    repaired : dict of str to int
        From a kind of repair to the number of rows that loading repaired so.
    metadata : mapping of str to array of str, shape (n,)
        What else the data says of the pairs, as in `LoadedPairs`.
    sources : sequence of SourceRecord
        Where they are from.
    extra : sequence of Pairs
        Pairs that are only trained on.
    """

    pairs: Pairs
    repaired: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, Strings] = field(default_factory=dict)
    sources: Sequence[SourceRecord] = ()
    extra: Sequence[Pairs] = ()


@dataclass(frozen=True, eq=False)
class BlendInputs:
    """The members to blend, joined on one data set.

    Attributes
    ----------
    folds : Folds
        All rows of the data, whose digests name the blend; the rows of `stack` may be fewer.
    stack : OOFStack
        The members on the scored rows.
    holdout : OOFStack or None
        The members on the held-out rows; None where none are held out or a member lacks them.
    split : SplitStore or None
        The part of the store that the folds are from; None without a store.
    stored : sequence of MemberSpec
        The members that are from the store; the others are external.
    data : LabelledData or None
        The pairs of all rows, where their texts are known.
    missing : mapping of str to str
        The members of the stored blend that are left out because they are not complete, each with what is missing.
    other : OtherSplit or None
        What the members have in a split by source, or where this is one, in another; None without a second split.
    """

    folds: Folds
    stack: OOFStack
    holdout: OOFStack | None
    split: SplitStore | None
    stored: Sequence[MemberSpec] = ()
    data: LabelledData | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    other: OtherSplit | None = None

    @property
    def pairs(self) -> Pairs | None:
        """The pairs of all rows, sorted by id as the folds are, or None."""
        return None if self.data is None else self.data.pairs
