"""The base of all blenders: a rule that turns the members' probabilities into one prediction."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import BLEND_AGAIN, BlendError, ConfigError, counted
from prefens.core.types import Floats, OOFStack, PairFeatures

BLOCK_ROWS = 8192  # rows predicted at a time: the memory that a rule needs does not grow with the data
FEATURES_NEEDED = "give data.path, so that the features of the pairs can be computed"


class Blender(ABC):
    """Fit on a stack, then predict any rows of the same members.

    Predictions are swap-symmetric: they exchange A and B when every member's probabilities do. A subclass implements
    `_fit` and `_predict`. Its settings are dataclass fields; what `_fit` computes are the attributes named in `FITTED`.

    Attributes
    ----------
    name : str
        The method's name, unique among blenders.
    FITTED : tuple of str
        Names of the fitted attributes, arrays and numbers, which `state` saves.
    CONTAINS : tuple of str
        Calibrations that the rule includes already, so that they would change nothing behind it.
    weights : ndarray of shape (M,) or None
        Fitted weights on the simplex; None before fitting and for rules without such weights.
    """

    name: str
    FITTED: ClassVar[tuple[str, ...]] = ("weights",)
    CONTAINS: ClassVar[tuple[str, ...]] = ()
    weights: Floats | None = None
    _n_members: int = 0
    _n_outcomes: int = 3

    def fit(self, stack: OOFStack) -> Self:
        """Fit on the rows of a stack and return self.

        Parameters
        ----------
        stack : OOFStack
            Out-of-fold probabilities of M members on n >= 1 labelled rows.

        Raises
        ------
        BlendError
            If the stack has no rows, or if the fit does not reach its optimum.
        ConfigError
            If the rule needs features of the pairs and the stack has none.
        """
        if not len(stack.folds.ids):
            raise BlendError("no rows to fit on", "at least one scored pair", "train on more data, or use fewer folds")
        self._n_members, self._n_outcomes = len(stack.members), stack.folds.n_outcomes
        self._fit(stack)
        return self

    def predict(self, probabilities: Floats, features: PairFeatures | None = None) -> Floats:
        """Blend the members' probabilities of any rows.

        Parameters
        ----------
        probabilities : ndarray of shape (M, n, K)
            Probabilities of the M members that the blender was fitted on, in the same order.
        features : PairFeatures or None
            Features of the n pairs; needed where `wants_features`.

        Returns
        -------
        ndarray of shape (n, K)
            Probabilities; each row sums to 1.

        Raises
        ------
        BlendError
            If the shape is not that of the fitted members, or if what is predicted is not finite.
        ConfigError
            If the rule needs features and none are given.
        """
        if probabilities.ndim != 3 or probabilities.shape[::2] != (self._n_members, self._n_outcomes):
            raise BlendError(
                f"probabilities of shape {probabilities.shape}",
                f"(members, rows, outcomes) = ({self._n_members}, n, {self._n_outcomes})",
                "give the members that the blend was fitted on",
            )
        if self.wants_features and features is None:
            raise ConfigError(
                f"{self.name} without the features of the pairs", "the features it was fitted on", FEATURES_NEEDED
            )
        predicted = np.empty(probabilities.shape[1:])
        for start in range(0, len(predicted), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            predicted[rows] = self._predict(probabilities[:, rows], None if features is None else features.take(rows))
        if not np.isfinite(predicted).all():
            lost = int((~np.isfinite(predicted).all(axis=1)).sum())
            raise BlendError(
                f"{self.name} gives no probabilities for {counted(lost, 'row')}", "finite numbers", "blend again"
            )
        return predicted

    @property
    def n_outcomes(self) -> int:
        """The number of outcomes K of the rows that it was fitted on."""
        return self._n_outcomes

    @property
    def wants_features(self) -> bool:
        """Whether the rule reads features of the pairs beside the members' probabilities."""
        return False

    @property
    def used(self) -> NDArray[np.bool_]:
        """(M,) booleans: False for members whose probabilities change no prediction."""
        return np.ones(self._n_members, dtype=bool) if self.weights is None else np.greater(self.weights, 0)

    def state(self) -> dict[str, Any]:
        """Return the settings and what was fitted, as JSON values."""
        names: set[str] = {item.name for item in fields(self)} if is_dataclass(self) else set()
        own = {name: getattr(self, name) for name in sorted(names - {*self.FITTED})}
        settings = {"settings": own} if own else {}
        values = {name: getattr(self, name) for name in self.FITTED}
        plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
        k = {} if self._n_outcomes == 3 else {"outcomes": self._n_outcomes}
        return {"method": self.name, **settings, "members": self._n_members, **k, **plain}

    def load_state(self, state: dict[str, Any]) -> Self:
        """Take over what was fitted from what `state` returned, and return self; `restore` reads the settings.

        Raises
        ------
        BlendError
            If a field is missing, or of another type, shape or range.
        """
        self._n_members = read_count(state, "members")
        self._n_outcomes = read_count(state, "outcomes") if "outcomes" in state else 3
        if self._n_outcomes not in (2, 3):
            raise BlendError(f"state.outcomes is {self._n_outcomes}", "2 or 3", BLEND_AGAIN)
        for name in self.FITTED:
            setattr(self, name, read_value(state, name))
        lengths = self._lengths()
        for name in self.FITTED:
            if name in lengths:
                check_length(name, getattr(self, name), lengths[name])
        self._check_values()
        return self

    def _lengths(self) -> dict[str, int]:
        """Return the lengths of the fitted attributes that are arrays."""
        return dict.fromkeys(self.FITTED, self._n_members)

    def _check_values(self) -> None:
        """Check the values of the fitted attributes, whose shapes are right; BlendError where they are out of range."""
        if self.weights is not None:
            check_weights("weights", self.weights, 1.0)

    @abstractmethod
    def _fit(self, stack: OOFStack) -> None: ...

    @abstractmethod
    def _predict(self, probabilities: Floats, features: PairFeatures | None) -> Floats: ...


class WeightedBlender(Blender):
    """A blender that averages the members' probabilities with weights on the simplex."""

    def _predict(self, probabilities: Floats, features: PairFeatures | None) -> Floats:
        return weighted_mean(probabilities, self.weights)


def weighted_mean(probabilities: Floats, weights: Floats | None) -> Floats:
    """Average probabilities over members.

    Parameters
    ----------
    probabilities : ndarray of shape (M, n, K)
        Probabilities of M members.
    weights : ndarray of shape (M,) or None
        Weights on the simplex; None stands for a blender that is not fitted.

    Returns
    -------
    ndarray of shape (n, K)
        Probabilities; each row sums to 1.

    Raises
    ------
    BlendError
        If there are no weights.
    """
    if weights is None:
        raise BlendError("no weights", "fitted weights", "call fit first")
    average: Floats = (weights @ probabilities.reshape(len(weights), -1)).reshape(probabilities.shape[1:])
    return average


def read_count(state: Mapping[str, Any], name: str) -> int:
    """Return a field that is a number of things, at least 1; BlendError for another one."""
    value = state.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BlendError(f"state.{name} is {shown(value)}", "a number of 1 or more", BLEND_AGAIN)
    return value


def read_value(state: Mapping[str, Any], name: str) -> Floats | float | bool:
    """Return a field that is a number, a truth value or a list of numbers; BlendError for another one."""
    value = state.get(name)
    if isinstance(value, bool):
        return value
    if is_number(value):
        return value
    if not isinstance(value, list) or not all(map(is_number, value)):
        raise BlendError(f"state.{name} is {shown(value)}", "finite numbers", BLEND_AGAIN)
    return np.array(value, dtype=np.float64)


def read_number(state: Mapping[str, Any], name: str) -> float:
    """Return a field that is a finite number; BlendError for another one."""
    value = state.get(name)
    if not is_number(value):
        raise BlendError(f"state.{name} is {shown(value)}", "a finite number", BLEND_AGAIN)
    return float(value)


def check_length(name: str, value: Any, length: int) -> None:
    """Check that a value is an array of so many numbers; BlendError where it is not."""
    if np.shape(value) != (length,):
        raise BlendError(f"state.{name} has the shape {np.shape(value)}", f"({length},)", BLEND_AGAIN)


def check_weights(name: str, value: Floats, total: float | None = None) -> None:
    """Check that no number is negative, and their sum where `total` is given; BlendError where they are others."""
    if (value < 0).any() or (total is not None and abs(float(value.sum()) - total) > 1e-6):
        wanted = "numbers of 0 or more" + ("" if total is None else f" that sum to {total:g}")
        raise BlendError(f"state.{name} is {shown(value.tolist())}", wanted, BLEND_AGAIN)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a JSON value is a finite number that a float64 holds."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    )


def shown(value: Any) -> str:
    """Return a value for a message, cut to a line."""
    return "missing" if value is None else f"{value!r:.60}"
