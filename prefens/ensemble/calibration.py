"""Calibration of a prediction, and a blender with one behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import BlendError
from prefens.core.symmetric_logistic import fit_newton, log_odds, probabilities_of
from prefens.core.types import Floats, Folds, OOFStack, PairFeatures
from prefens.ensemble.base import Blender


class Calibration(ABC):
    """Rescaled log probabilities, A and B alike, with the lowest log loss on the fitted rows (Guo et al. 2017, 4.2)."""

    name: ClassVar[str]
    START: ClassVar[tuple[float, ...]]  # the coefficients that change nothing
    NONNEGATIVE: ClassVar[bool]
    RIDGE: ClassVar[float] = 0.0
    coefficients: Floats

    def fit(self, probabilities: Floats, label: NDArray[np.int8]) -> Self:
        """Fit on (n, K) probabilities and (n,) labels, and return self."""

        def inputs(rows: slice) -> tuple[Floats, Floats]:
            return self._inputs(*log_odds(probabilities[rows]))

        start = np.array(self.START)
        self.coefficients = fit_newton(inputs, label, start, tied=True, nonnegative=self.NONNEGATIVE, ridge=self.RIDGE)
        return self

    def apply(self, probabilities: Floats) -> Floats:
        """Return (n, K) calibrated probabilities."""
        odd, even = self._inputs(*log_odds(probabilities))
        return probabilities_of(self.coefficients @ odd, self.coefficients @ even)

    @staticmethod
    @abstractmethod
    def _inputs(s: Floats, t: Floats) -> tuple[Floats, Floats]:
        """Return (P, n) odd and (P, n) even inputs for the (n,) log odds of a prediction."""


class Temperature(Calibration):
    """p ** b, renormalised: b is the inverse temperature."""

    name = "temperature"
    START = (1.0,)
    NONNEGATIVE = True

    @staticmethod
    def _inputs(s: Floats, t: Floats) -> tuple[Floats, Floats]:
        return s[None], t[None]


class Vector(Calibration):
    """A power for A against B, a power and a factor for a tie against both: vector scaling with A and B tied."""

    name = "vector"
    START = (1.0, 1.0, 0.0)
    NONNEGATIVE = False
    RIDGE = 1e-6  # keeps the factor finite where no tie, or nothing else, was seen

    @staticmethod
    def _inputs(s: Floats, t: Floats) -> tuple[Floats, Floats]:
        nothing = np.zeros_like(s)
        return np.stack([s, nothing, nothing]), np.stack([nothing, t, np.ones_like(t)])


KINDS: dict[str, type[Calibration]] = {kind.name: kind for kind in (Temperature, Vector)}


class Calibrated(Blender):
    """A blender whose predictions are calibrated on the rows that it was fitted on; either may be fitted already."""

    def __init__(self, base: Blender, calibration: Calibration) -> None:
        self.base, self.calibration = base, calibration
        self._members = base._members
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
        self._members = self.base.load_state(state["base"])._members
        self.calibration.coefficients = np.array(state["coefficients"])
        return self

    def _fit(self, stack: OOFStack) -> None:
        self.base.fit(stack)
        self.calibration.fit(self.base.predict(stack.probabilities, stack.features), stack.folds.label)

    def _predict(self, probabilities: Floats, features: PairFeatures | None) -> Floats:
        return self.calibration.apply(self.base.predict(probabilities, features))


def cross_calibrate(kind: type[Calibration], probabilities: Floats, folds: Folds) -> Floats:
    """Return (n, K) calibrated probabilities: each fold's by a calibration fitted on the other folds."""
    numbers = np.unique(folds.fold)
    if len(numbers) < 2:
        raise BlendError(f"{len(numbers)} fold", "two or more to calibrate across", "train with more folds")
    calibrated: Floats = np.empty(probabilities.shape)
    for index in numbers:
        held_out = folds.fold == index
        fitted = kind().fit(probabilities[~held_out], folds.label[~held_out])
        calibrated[held_out] = fitted.apply(probabilities[held_out])
    return calibrated
