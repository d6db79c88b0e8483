"""What a blender is: a rule, fitted on members' probabilities, that turns them into one prediction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import BlendError, ConfigError
from prefens.core.types import Floats, OOFStack, PairFeatures, n_outcomes


class Blender(ABC):
    """Fit on a stack, predict for any rows of the same members.

    Predictions are swap-symmetric: they exchange A and B when every member's probabilities do. Settings are
    fields of the class; what `fit` finds are the attributes that `FITTED` names: arrays and numbers.
    """

    name: str
    FITTED: ClassVar[tuple[str, ...]] = ("weights",)
    weights: Floats | None = None  # (M,) on the simplex, for rules that have them
    CONTAINS: ClassVar[tuple[str, ...]] = ()  # calibrations that would change nothing behind it
    _members: int = 0
    _outcomes: int = n_outcomes()

    def fit(self, stack: OOFStack) -> Self:
        """Fit on the rows of a stack (one row or more) and return self."""
        if not len(stack.folds.ids):
            raise BlendError("no rows to fit on", "at least one scored pair", "train on more data, or use fewer folds")
        self._members, self._outcomes = len(stack.members), stack.folds.n_outcomes
        self._fit(stack)
        return self

    def predict(self, probabilities: Floats, features: PairFeatures | None = None) -> Floats:
        """Return (n, K) probabilities for (M, n, K) probabilities of the members it was fitted on.

        `features` of the n pairs are needed where `wants_features`.
        """
        if probabilities.ndim != 3 or probabilities.shape[::2] != (self._members, self._outcomes):
            raise BlendError(
                f"probabilities of shape {probabilities.shape}",
                f"(members, rows, outcomes) = ({self._members}, n, {self._outcomes})",
                "give the members that the blend was fitted on",
            )
        if self.wants_features and features is None:
            raise ConfigError(
                f"{self.name} without the features of the pairs", "the features it was fitted on", NO_TEXTS
            )
        predicted = np.empty(probabilities.shape[1:])
        for start in range(0, len(predicted), BLOCK):
            rows = slice(start, start + BLOCK)
            predicted[rows] = self._predict(probabilities[:, rows], None if features is None else features.take(rows))
        return predicted

    @property
    def wants_features(self) -> bool:
        """Whether the rule looks at the pairs beside the members' probabilities."""
        return False

    @property
    def used(self) -> NDArray[np.bool_]:
        """(M,) False for members whose probabilities change nothing."""
        return np.ones(self._members, dtype=bool) if self.weights is None else np.greater(self.weights, 0)

    def state(self) -> dict[str, Any]:
        """Return what was fitted, as JSON values."""
        found = {name: getattr(self, name) for name in self.FITTED}
        plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in found.items()}
        return {"method": self.name, "members": self._members, **plain}

    def load_state(self, state: dict[str, Any]) -> Self:
        """Take up what `state` returned, and return self."""
        self._members = state["members"]
        for name in self.FITTED:
            value = state[name]
            setattr(self, name, np.array(value, dtype=np.float64) if isinstance(value, list) else value)
        return self

    @abstractmethod
    def _fit(self, stack: OOFStack) -> None: ...

    @abstractmethod
    def _predict(self, probabilities: Floats, features: PairFeatures | None) -> Floats: ...


BLOCK = 8192  # rows at a time: what a rule makes of them needs less memory than the members
NO_TEXTS = "give data.path, so that the features of the pairs can be computed"


class WeightedBlender(Blender):
    """A blender that averages the members' probabilities with weights on the simplex."""

    def _predict(self, probabilities: Floats, features: PairFeatures | None) -> Floats:
        return weighted(probabilities, self.weights)


def weighted(probabilities: Floats, weights: Floats | None) -> Floats:
    """Return the (n, K) average of (M, n, K) probabilities with (M,) weights on the simplex."""
    if weights is None:
        raise BlendError("no weights", "fitted weights", "call fit first")
    average: Floats = (weights @ probabilities.reshape(len(weights), -1)).reshape(probabilities.shape[1:])
    return average
