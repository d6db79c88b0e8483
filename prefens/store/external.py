"""Members that were made elsewhere: their probabilities take the place of fold runs, and are checked like ours."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import StoreError
from prefens.core.fold_run import FoldPredictions
from prefens.core.hashing import digest
from prefens.core.types import Floats, Folds, Strings
from prefens.store.member_spec import MemberSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ExternalMember:
    """Out-of-fold or hold-out probabilities that somebody else's program made.

    Attributes
    ----------
    name : unique among the members; digest : of the ids and probabilities.
    ids : (n,) each once; probabilities : (n, K), rows summing to 1 within 1e-6.
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
        """Return the member as the store knows it: no backbone, no seed, and its probabilities as its recipe."""
        recipe = {"external": self.digest, "name": self.name}
        return MemberSpec(None, None, recipe, None, folds.data_digest, folds.digest, external=self.name)

    def runs(self, folds: Folds, partial: bool = False) -> list[FoldPredictions]:
        """Return the probabilities by fold, with those of the hold-out, where there are any, in each.

        Raises
        ------
        StoreError with counts of ids that are unknown or missing, or where only some of the held-out ones
        are there. `partial` drops unknown ids, with a count, and lets others be missing.
        """
        place = {id_: row for row, id_ in enumerate(self.ids)}
        there = np.array([id_ in place for id_ in folds.ids])
        self._check(folds, there, partial)

        def of(rows: NDArray[np.bool_]) -> tuple[Strings, Floats]:
            ids = folds.ids[rows & there]
            return ids, self.probabilities[np.array([place[id_] for id_ in ids], dtype=np.int64)]

        spec, held_out = self.spec(folds), of(~folds.scored)
        return [FoldPredictions(spec.key(fold), *of(folds.fold == fold), *held_out) for fold in range(folds.k)]

    def _check(self, folds: Folds, there: NDArray[np.bool_], partial: bool) -> None:
        known = set(folds.ids)
        unknown = [id_ for id_ in self.ids if id_ not in known]
        missing, held_out = folds.ids[folds.scored & ~there], folds.ids[~folds.scored & ~there]
        if not (there & ~folds.scored).any():
            held_out = held_out[:0]  # no prediction of the hold-out is none to refuse
        told = ", ".join(
            f"{len(ids)} of {len(of)} {kind} (first: {', '.join(map(str, ids[:3]))})"
            for kind, ids, of in (
                ("ids missing", missing, folds.ids[folds.scored]),
                ("held-out ids missing", held_out, folds.ids[~folds.scored]),
                ("given ids unknown", unknown, self.ids),
            )
            if len(ids)
        )
        if told and not partial:
            raise StoreError(
                f"member {self.name}: {told}",
                f"each id of the data once (such as {folds.ids[0]}), of the held-out rows all or none",
                "mend the file, or blend with partial=true on the rows that every member has",
            )
        if told:
            log.warning("member %s: %s", self.name, told)
