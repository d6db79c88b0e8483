"""The targets of training pairs: votes, and a teacher's probabilities where there is a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from prefens.core.metrics import one_hot, swap_outcomes
from prefens.core.types import Floats


@dataclass(frozen=True, eq=False)
class Targets:
    """What the loss of n training pairs is made of.

    The loss of a pair with logits z is -(plain @ log softmax(z) + softened @ log softmax(z / temperature)), in nats.

    Attributes
    ----------
    plain : float64 array, shape (n, K)
        Weights of the outcomes at temperature 1: the one-hot votes, where there is no teacher.
    voted : bool array, shape (n,)
        Whether the pair has a vote; choices such as the regularization are made on these pairs alone.
    softened : float64 array, shape (n, K), or None
        Weights of the outcomes at `temperature`; None where that is 1 or nothing has such a weight.
    temperature : float, positive
        What the logits are divided by beside `softened`.
    """

    plain: Floats
    voted: NDArray[np.bool_]
    softened: Floats | None = None
    temperature: float = 1.0

    @classmethod
    def of_votes(cls, label: NDArray[np.int8], n_outcomes: int) -> Self:
        """Return the targets of labelled pairs without a teacher."""
        return cls(one_hot(label, n_outcomes), np.ones(len(label), dtype=bool))

    @classmethod
    def of_teacher(cls, votes: Floats, teacher: Floats, weight: Floats, temperature: float = 1.0) -> Self:
        """Return the targets of pairs, some of which a teacher labels.

        With temperature T, the teacher's probabilities p become p^(1/T), normalized, and their loss is multiplied by
        T^2, so that its gradients keep their size (Hinton, Vinyals & Dean 2015, section 2).

        Parameters
        ----------
        votes : float64 array, shape (n, K)
            One-hot votes times their weight in the loss; zeros where there is no vote.
        teacher : float64 array, shape (n, K)
            The teacher's probabilities; NaN where it has none.
        weight : float64 array, shape (n,)
            Of the teacher's probabilities in the loss; 0 where it has none.
        temperature : float, positive
            T.
        """
        voted = np.asarray(votes.any(axis=1))
        known = np.nan_to_num(teacher)  # where these are not numbers, their weight is 0
        if temperature == 1.0:
            return cls(votes + known * weight[:, None], voted)
        powers = known ** (1.0 / temperature)
        totals = powers.sum(axis=1, keepdims=True)
        powers = np.divide(powers, totals, out=np.zeros_like(powers), where=totals > 0)
        softened: Floats = powers * (weight * temperature**2)[:, None]
        return cls(votes, voted, softened if softened.any() else None, temperature)

    def __len__(self) -> int:
        return len(self.plain)

    @property
    def are_votes(self) -> bool:
        """Whether each pair has one outcome, with weight 1, as pairs without a teacher have."""
        return self.softened is None and bool(((self.plain == 0) | (self.plain == 1)).all() and self.voted.all())

    @property
    def label(self) -> NDArray[np.int8]:
        """The likeliest outcome of each pair, (n,); the vote, where there is no teacher."""
        total = self.plain if self.softened is None else self.plain + self.softened
        label: NDArray[np.int8] = total.argmax(axis=1).astype(np.int8)
        return label

    def take(self, rows: NDArray[Any]) -> Targets:
        """Return the targets of the pairs at `rows`, (m,) positions or (n,) booleans."""
        softened = None if self.softened is None else self.softened[rows]
        return Targets(self.plain[rows], self.voted[rows], softened, self.temperature)

    def swapped(self) -> Targets:
        """Return the targets of the same pairs after A and B change places."""
        softened = None if self.softened is None else swap_outcomes(self.softened)
        return Targets(swap_outcomes(self.plain), self.voted, softened, self.temperature)
