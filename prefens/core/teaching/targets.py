"""The targets of training pairs: votes, and a teacher's probabilities where there is a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from prefens.core.metrics import CLIP, one_hot, swap_outcomes
from prefens.core.types import SWAP, Floats

NO_VOTE = -1  # the label of a pair without a vote


@dataclass(frozen=True, eq=False)
class Targets:
    """What the loss of n training pairs is made of.

    The loss of a pair with logits z is -(plain @ log softmax(z) + softened @ log softmax(z / temperature)), in nats.

    Attributes
    ----------
    vote : int8 array, shape (n,)
        The outcomes that choices such as the regularization are scored on, NO_VOTE for pairs without one.
    plain : float64 array, shape (n, K)
        Weights of the outcomes at temperature 1: the one-hot votes, where there is no teacher.
    softened : float64 array, shape (n, K), or None
        Weights of the outcomes at `temperature`; None where that is 1 or nothing has such a weight.
    temperature : float, positive
        What the logits are divided by beside `softened`.
    """

    vote: NDArray[np.int8]
    plain: Floats
    softened: Floats | None = None
    temperature: float = 1.0

    @classmethod
    def of_votes(cls, label: NDArray[np.int8], n_outcomes: int) -> Self:
        """Return the targets of labelled pairs without a teacher."""
        return cls(label, one_hot(label, n_outcomes))

    @classmethod
    def of_teacher(cls, vote: NDArray[np.int8], teacher: Floats, weight: Floats, temperature: float = 1.0) -> Self:
        """Return the targets of pairs, some of which a teacher labels.

        A pair with a vote has the weight 1: the teacher's part and the vote's, which is the rest. With temperature T,
        the teacher's probabilities p become p^(1/T), normalized, and their loss is multiplied by T^2, so that its
        gradients keep their size (Hinton, Vinyals & Dean 2015, section 2). With T, a probability of 0 counts as 1e-15:
        infinite logits would stay infinite, and the few rows that have them would outweigh all others by T.

        Parameters
        ----------
        vote : int8 array, shape (n,)
            Outcomes, NO_VOTE where there is no vote.
        teacher : float64 array, shape (n, K)
            The teacher's probabilities; NaN where it has none.
        weight : float64 array, shape (n,)
            Of the teacher's probabilities in the loss, at most 1 of pairs with a vote; 0 where it has none.
        temperature : float, positive
            T.
        """
        votes = one_hot(vote, teacher.shape[1]) * np.where(vote == NO_VOTE, 0.0, 1.0 - weight)[:, None]
        finite = np.nan_to_num(teacher)  # where these are not numbers, their weight is 0
        if temperature == 1.0:
            return cls(vote, votes + finite * weight[:, None])
        powers = finite.clip(CLIP) ** (1.0 / temperature)
        powers /= powers.sum(axis=1, keepdims=True)
        softened: Floats = powers * (weight * temperature**2)[:, None]
        return cls(vote, votes, softened if softened.any() else None, temperature)

    def __len__(self) -> int:
        return len(self.plain)

    @property
    def n_outcomes(self) -> int:
        """K, 2 or 3."""
        return int(self.plain.shape[1])

    @property
    def voted(self) -> NDArray[np.bool_]:
        """Whether each pair has a vote, (n,)."""
        return np.asarray(self.vote != NO_VOTE)

    @cached_property
    def are_votes(self) -> bool:
        """Whether each pair has one outcome, with weight 1, as pairs without a teacher have."""
        whole = ((self.plain == 0) | (self.plain == 1)).all() and (self.weight == 1).all()
        return self.softened is None and bool(whole)

    @cached_property
    def weight(self) -> Floats:
        """The weight of each pair in the loss, (n,): 1 where it has a vote."""
        weight: Floats = self.plain.sum(axis=1)
        return weight if self.softened is None else weight + self.softened.sum(axis=1) / self.temperature**2

    @cached_property
    def mean_weight(self) -> float:
        """The mean weight of a pair in the loss, exactly 1 of votes."""
        return float(self.weight.mean())

    @cached_property
    def label(self) -> NDArray[np.int8]:
        """The outcome of each pair with the largest weight, (n,); the vote, where there is no teacher."""
        total = self.plain if self.softened is None else self.plain + self.softened
        label: NDArray[np.int8] = total.argmax(axis=1).astype(np.int8)
        return label

    def take(self, rows: NDArray[Any]) -> Targets:
        """Return the targets of the pairs at `rows`, (m,) positions or (n,) booleans."""
        softened = None if self.softened is None else self.softened[rows]
        return Targets(self.vote[rows], self.plain[rows], softened, self.temperature)

    def swapped(self) -> Targets:
        """Return the targets of the same pairs after A and B change places."""
        softened = None if self.softened is None else swap_outcomes(self.softened)
        vote = np.where(self.voted, SWAP[self.vote], NO_VOTE).astype(np.int8)
        return Targets(vote, swap_outcomes(self.plain), softened, self.temperature)
