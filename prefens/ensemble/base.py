"""What a blender is: a rule, fitted on members' probabilities, that turns them into one prediction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

from prefens.errors import BlendError
from prefens.records import Floats, OOFStack, Outcome


class Blender(ABC):
    """Fit on a stack, predict for any rows of the same members.

    Predictions are swap-symmetric: they exchange A and B when every member's probabilities do.
    """

    name: ClassVar[str]
    weights: Floats | None = None  # (M,) on the simplex, for rules that have them

    def fit(self, stack: OOFStack) -> Self:
        """Fit on the rows of a stack (one row or more) and return self."""
        if not len(stack.folds.ids):
            raise BlendError("no rows to fit on", "at least one scored pair", "train on more data, or use fewer folds")
        self._members = len(stack.members)
        self._fit(stack)
        return self

    def predict(self, probabilities: Floats) -> Floats:
        """Return (n, 3) probabilities for (M, n, 3) probabilities of the members it was fitted on."""
        if probabilities.ndim != 3 or probabilities.shape[0] != self._members or probabilities.shape[2] != len(Outcome):
            raise BlendError(
                f"probabilities of shape {probabilities.shape}",
                f"(members, rows, outcomes) = ({self._members}, n, {len(Outcome)})",
                "give the members that the blend was fitted on",
            )
        return self._predict(probabilities)

    @abstractmethod
    def _fit(self, stack: OOFStack) -> None: ...

    @abstractmethod
    def _predict(self, probabilities: Floats) -> Floats: ...


class WeightedBlender(Blender):
    """A blender that averages the members' probabilities with weights on the simplex."""

    def _predict(self, probabilities: Floats) -> Floats:
        return weighted(probabilities, self.weights)


def weighted(probabilities: Floats, weights: Floats | None) -> Floats:
    """Return the (n, 3) average of (M, n, 3) probabilities with (M,) weights on the simplex."""
    if weights is None:
        raise BlendError("no weights", "fitted weights", "call fit first")
    average: Floats = (weights @ probabilities.reshape(len(weights), -1)).reshape(probabilities.shape[1:])
    return average
