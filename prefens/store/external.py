"""External members: probabilities of another program that take the place of fold runs, and are checked like them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import StoreError
from prefens.core.fold_run import FoldPredictions
from prefens.core.hashing import digest
from prefens.core.types import Floats, Folds, Strings, outcome_names
from prefens.store.member_spec import MemberSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ExternalMember:
    """Out-of-fold and hold-out probabilities that another program made.

    Attributes
    ----------
    name : str
        Unique among the members.
    digest : str
        The digest of ids and probabilities, 64 hex digits.
    ids : array of str, shape (n,)
        Each once.
    probabilities : array of float64, shape (n, K)
        Rows sum to 1 within 1e-6.
    """

    name: str
    digest: str
    ids: Strings
    probabilities: Floats

    @classmethod
    def of(cls, name: str, ids: Strings, probabilities: Floats) -> Self:
        """Return the member with its digest, whatever the order of the rows."""
        order = np.argsort(ids)
        return cls(name, digest([ids[order].tolist(), probabilities[order].tolist()]), ids, probabilities)

    def spec(self, folds: Folds) -> MemberSpec:
        """Return the member as the store knows it: without backbone and seed; its recipe is the digest."""
        recipe = {"external": self.digest, "name": self.name}
        return MemberSpec(None, None, recipe, None, folds.data_digest, folds.digest, external=self.name)

    def runs(self, folds: Folds, partial: bool = False) -> list[FoldPredictions]:
        """Return the probabilities fold by fold, each with those of the held-out rows where there are any.

        Parameters
        ----------
        folds : Folds
            The assignment of the rows.
        partial : bool
            Whether ids may be missing, and unknown ones are dropped; both are logged with their number.

        Raises
        ------
        StoreError
            Where ids are unknown or missing and not `partial`, or where only some of the held-out ids are given.
        """
        position = {id_: row for row, id_ in enumerate(self.ids)}
        predicted = np.array([id_ in position for id_ in folds.ids])
        self._check(folds, predicted, partial)

        def of(rows: NDArray[np.bool_]) -> tuple[Strings, Floats]:
            ids = folds.ids[rows & predicted]
            return ids, self.probabilities[np.array([position[id_] for id_ in ids], dtype=np.int64)]

        spec, held_out = self.spec(folds), of(~folds.scored)
        return [FoldPredictions(spec.key(fold), *of(folds.fold == fold), *held_out) for fold in range(folds.k)]

    def _check(self, folds: Folds, predicted: NDArray[np.bool_], partial: bool) -> None:
        if self.probabilities.shape[1] != folds.n_outcomes:
            names = ", ".join(outcome_names(folds.n_outcomes))
            raise StoreError(
                f"member {self.name}: {self.probabilities.shape[1]} outcomes",
                f"{folds.n_outcomes}, those of the data: {names}",
                "give another file, or blend it with members of its own kind of data",
            )
        expected = set(folds.ids)
        unknown = [id_ for id_ in self.ids if id_ not in expected]
        missing, held_out = folds.ids[folds.scored & ~predicted], folds.ids[~folds.scored & ~predicted]
        if not (predicted & ~folds.scored).any():
            held_out = held_out[:0]  # predictions of none of the held-out rows are no mistake
        problems = ", ".join(
            f"{len(ids)} of {len(of)} {kind} (first: {', '.join(map(str, ids[:3]))})"
            for kind, ids, of in (
                ("ids missing", missing, folds.ids[folds.scored]),
                ("held-out ids missing", held_out, folds.ids[~folds.scored]),
                ("given ids unknown", unknown, self.ids),
            )
            if len(ids)
        )
        if problems and not partial:
            raise StoreError(
                f"member {self.name}: {problems}",
                f"each id of the data once (such as {folds.ids[0]}), of the held-out rows all or none",
                "correct the file, or blend with partial=true on the rows that every member has",
            )
        if problems:
            log.warning("member %s: %s", self.name, problems)
