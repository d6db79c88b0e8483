"""What the predict command returns: probabilities, and where they are from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prefens.core.types import Floats, Strings


@dataclass(frozen=True)
class MalformedRow:
    """A row of the input that could not be read, and got the class prior.

    Attributes
    ----------
    row : int
        Its number, from 1.
    id : str
        Its id.
    problem : str
        What is wrong with it.
    """

    row: int
    id: str
    problem: str


@dataclass(frozen=True, eq=False)
class Prediction:
    """Probabilities of test pairs.

    Attributes
    ----------
    ids : (n,) of str
        The pairs, in the order of the input.
    probabilities : (n, K)
        Of each outcome; a row sums to 1.
    method : str
        The method of the blend.
    members : sequence of str
        The members that it looks at.
    malformed : sequence of MalformedRow
        Rows that got the class prior.
    repaired : mapping of str to int
        Kind of repair -> number of rows.
    """

    ids: Strings
    probabilities: Floats
    method: str
    members: Sequence[str]
    malformed: Sequence[MalformedRow] = ()
    repaired: Mapping[str, int] | None = None

    @property
    def predicted(self) -> int:
        """How many rows were predicted by the members."""
        return len(self.ids) - len(self.malformed)

    @property
    def mean_probabilities(self) -> list[float]:
        """The mean probability of each outcome."""
        means: list[float] = self.probabilities.mean(axis=0).tolist()
        return means

    def as_dict(self, submission: Path) -> dict[str, Any]:
        """Return what predict.json holds of it; `submission` is the file that it was written to."""
        return {
            "submission": str(submission),
            "rows": len(self.ids),
            "predicted": self.predicted,
            "malformed": [asdict(row) for row in self.malformed],
            "repaired": dict(self.repaired or {}),
            "method": self.method,
            "members": list(self.members),
            "mean_probabilities": self.mean_probabilities,
        }
