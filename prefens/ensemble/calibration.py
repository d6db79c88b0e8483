"""Calibration of a prediction, and a blender with a calibration behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import BlendError
from prefens.core.symmetric_logistic import Odds, fit_newton, log_odds, probabilities_of
from prefens.core.types import Floats, Folds, OOFStack, PairFeatures
from prefens.ensemble.base import Blender, check_length, check_weights, read_value


class Calibration(ABC):
    """Rescaling of log probabilities that treats A and B alike.

    Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks", section 4.2.

    Attributes
    ----------
    name : str
        Name of the calibration.
    IDENTITY : tuple of float
        The P coefficients that change nothing; the fit starts there. With two outcomes there is the first one alone.
    NONNEGATIVE : bool
        Whether the coefficients must be zero or more.
    RIDGE : float
        Strength of the penalty toward `IDENTITY`, in nats.
    coefficients : ndarray of shape (P,)
        Fitted coefficients: those with the lowest log loss.
    """

    name: ClassVar[str]
    IDENTITY: ClassVar[tuple[float, ...]]
    NONNEGATIVE: ClassVar[bool]
    RIDGE: ClassVar[float] = 0.0
    coefficients: Floats

    def fit(self, probabilities: Floats, label: NDArray[np.int8]) -> Self:
        """Fit on labelled predictions and return self.

        Parameters
        ----------
        probabilities : ndarray of shape (n, K)
            Predictions to calibrate.
        label : ndarray of shape (n,)
            Labels, in the order of `Outcome`.

        Raises
        ------
        BlendError
            If the fit does not reach its optimum.
        """

        def inputs(rows: slice) -> Odds:
            return self._inputs(*log_odds(probabilities[rows]))

        start = np.array(self.IDENTITY[: n_coefficients(type(self), probabilities.shape[1])])
        self.coefficients = fit_newton(inputs, label, start, tied=True, nonnegative=self.NONNEGATIVE, ridge=self.RIDGE)
        return self

    def apply(self, probabilities: Floats) -> Floats:
        """Return (n, K) calibrated probabilities for (n, K) predictions."""
        return probabilities_of(*(self.coefficients @ part for part in self._inputs(*log_odds(probabilities))))

    @staticmethod
    @abstractmethod
    def _inputs(s: Floats, t: Floats | None = None) -> Odds:
        """Return (P, n) odd and (P, n) even inputs for the (n,) log odds of a prediction; no even ones without `t`."""


class Temperature(Calibration):
    """Temperature scaling: p ** b, normalized, where b >= 0 is the inverse temperature."""

    name = "temperature"
    IDENTITY = (1.0,)
    NONNEGATIVE = True

    @staticmethod
    def _inputs(s: Floats, t: Floats | None = None) -> Odds:
        return (s[None],) if t is None else (s[None], t[None])


class Vector(Calibration):
    """Vector scaling with A and B tied: a power for A against B, a power and a factor for a tie against both.

    With two outcomes it is the power alone.
    """

    name = "vector"
    IDENTITY = (1.0, 1.0, 0.0)
    NONNEGATIVE = False
    RIDGE = 1e-6  # keeps the factor finite where the labels have no tie, or nothing else

    @staticmethod
    def _inputs(s: Floats, t: Floats | None = None) -> Odds:
        if t is None:
            return (s[None],)
        zero = np.zeros_like(s)
        return np.stack([s, zero, zero]), np.stack([zero, t, np.ones_like(t)])


def n_coefficients(kind: type[Calibration], n_outcomes: int) -> int:
    """Return the number P of a calibration's coefficients."""
    return len(kind.IDENTITY) if n_outcomes == 3 else 1


KINDS: dict[str, type[Calibration]] = {kind.name: kind for kind in (Temperature, Vector)}


class Calibrated(Blender):
    """A blender whose predictions are calibrated on the rows that it was fitted on.

    Parameters
    ----------
    base : Blender
        The blender, fitted or not.
    calibration : Calibration
        What is applied to its predictions, fitted or not.
    """

    def __init__(self, base: Blender, calibration: Calibration) -> None:
        self.base, self.calibration = base, calibration
        self._n_members, self._n_outcomes = base._n_members, base._n_outcomes
        self.name = f"{base.name}+{calibration.name}"

    @property
    def weights(self) -> Floats | None:  # type: ignore[override]
        return self.base.weights

    @property
    def wants_features(self) -> bool:
        return self.base.wants_features

    @property
    def used(self) -> NDArray[np.bool_]:
        return self.base.used

    def state(self) -> dict[str, Any]:
        coefficients = self.calibration.coefficients.tolist()
        return {"base": self.base.state(), "calibration": self.calibration.name, "coefficients": coefficients}

    def load_state(self, state: dict[str, Any]) -> Self:
        """Take over what `state` returned, but for that of the base, which is fitted; BlendError as for any rule."""
        self._n_members, self._n_outcomes = self.base._n_members, self.base._n_outcomes
        coefficients = read_value(state, "coefficients")
        check_length("coefficients", coefficients, n_coefficients(type(self.calibration), self._n_outcomes))
        self.calibration.coefficients = np.asarray(coefficients)
        if self.calibration.NONNEGATIVE:
            check_weights("coefficients", self.calibration.coefficients)
        return self

    def _fit(self, stack: OOFStack) -> None:
        self.base.fit(stack)
        self.calibration.fit(self.base.predict(stack.probabilities, stack.features), stack.folds.label)

    def _predict(self, probabilities: Floats, features: PairFeatures | None) -> Floats:
        return self.calibration.apply(self.base.predict(probabilities, features))


def cross_calibrate(kind: type[Calibration], probabilities: Floats, folds: Folds) -> Floats:
    """Calibrate each fold's predictions by a calibration that is fitted on the other folds.

    Parameters
    ----------
    kind : type of Calibration
        Which calibration.
    probabilities : ndarray of shape (n, K)
        Predictions of the rows of `folds`.
    folds : Folds
        Labels and folds of the n rows.

    Returns
    -------
    ndarray of shape (n, K)
        Calibrated probabilities.

    Raises
    ------
    BlendError
        If there are fewer than two folds, or a fit does not reach its optimum.
    """
    numbers = np.unique(folds.fold)
    if len(numbers) < 2:
        raise BlendError(f"{len(numbers)} fold", "two or more to calibrate across", "train with more folds")
    calibrated: Floats = np.empty(probabilities.shape)
    for index in numbers:
        held_out = folds.fold == index
        fitted = kind().fit(probabilities[~held_out], folds.label[~held_out])
        calibrated[held_out] = fitted.apply(probabilities[held_out])
    return calibrated
