"""What loading returns, and the columns of the competition's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from prefens.core.types import Pairs, Strings

TEXT = ("prompt", "response_a", "response_b")
LABEL = ("winner_model_a", "winner_model_b", "winner_tie")  # in the order of Outcome
MODEL = ("model_a", "model_b")


@dataclass(frozen=True)
class SourceRecord:
    """What came of a source.

    Attributes
    ----------
    name, format : str
        Its name, and the format that it was read in.
    pairs, merged, both_bad, ties : int
        Its pairs, and those that were left out: because a source before has them too, because both are bad, and as
        ties where there are two outcomes.
    """

    name: str
    format: str
    pairs: int
    merged: int = 0
    both_bad: int = 0
    ties: int = 0


@dataclass(eq=False)
class LoadedPairs:
    """The readable pairs of an input, and what is wrong with the other rows.

    Attributes
    ----------
    pairs : Pairs
        The m readable rows, in the order of the input.
    ids : array of str, shape (n,)
        The ids of all rows, in the order of the input.
    rows : array of int64, shape (m,)
        The positions of the readable rows in the input.
    problems : dict of int to str
        By row (0-based), what came and what was expected; empty where malformed rows are refused.
    repaired : dict of str to int
        By kind of repair, the number of texts.
    metadata : dict of str to array of str, shape (m,)
        What else the data says of the pairs, for slices and audits only: "tie", the kind of a tie, "language", and
        "source".
    format : str
        The format that they were read in; "" where they were not read.
    sources : sequence of SourceRecord
        Where they are from.
    may_tie : bool
        Whether the format speaks of ties, though none may be there.
    """

    pairs: Pairs
    ids: Strings
    rows: NDArray[np.int64]
    problems: dict[int, str] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)
    metadata: Mapping[str, Strings] = field(default_factory=dict)
    format: str = ""
    sources: Sequence[SourceRecord] = ()
    may_tie: bool = True

    def sort(self) -> LoadedPairs:
        """Return the readable pairs sorted by id, as folds are."""
        order = np.argsort(self.pairs.ids)
        metadata = {name: values[order] for name, values in self.metadata.items()}
        pairs = self.pairs.take(order)
        return LoadedPairs(
            pairs, pairs.ids, np.arange(len(pairs)), {}, self.repaired, metadata, self.format, self.sources
        )
