"""Calibration of a prediction, and a blender with a calibration behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from prefens.core.errors import BLEND_AGAIN, BlendError
from prefens.core.fold_run import is_by_source, training_rows
from prefens.core.metrics import CLIP, one_hot, row_losses
from prefens.core.newton import KKT_ACCEPTED, kkt_violation
from prefens.core.symmetric_logistic import Odds, fit_newton, log_odds, probabilities_of
from prefens.core.types import Floats, Folds, OOFStack, PairFeatures
from prefens.ensemble.base import Blender, check_length, check_weights, read_value

BOUNDS = ((0.0, None), (None, None))  # of the coefficients of `AcrossSources`
PRECISE = {"ftol": 0.0, "gtol": 1e-9, "maxiter": 500}


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

    def fit(self, probabilities: Floats, label: NDArray[np.int8], fold: NDArray[np.int8] | None = None) -> Self:
        """Fit on labelled predictions and return self.

        Parameters
        ----------
        probabilities : ndarray of shape (n, K)
            Predictions to calibrate.
        label : ndarray of shape (n,)
            Labels, in the order of `Outcome`.
        fold : ndarray of shape (n,), or None
            Fold of each row; None: all are of one.

        Raises
        ------
        BlendError
            If the fit does not reach its optimum.
        """
        self.coefficients = self._fit(probabilities, label, np.zeros_like(label) if fold is None else fold)
        return self

    def _fit(self, probabilities: Floats, label: NDArray[np.int8], fold: NDArray[np.int8]) -> Floats:
        """Return the coefficients with the lowest mean log loss over the rows."""

        def inputs(rows: slice) -> Odds:
            return self._inputs(*log_odds(probabilities[rows]))

        start = np.array(self.IDENTITY[: n_coefficients(type(self), probabilities.shape[1])])
        return fit_newton(inputs, label, start, tied=True, nonnegative=self.NONNEGATIVE, ridge=self.RIDGE)

    def apply(self, probabilities: Floats) -> Floats:
        """Return (n, K) calibrated probabilities for (n, K) predictions."""
        return probabilities_of(*(self.coefficients @ part for part in self._inputs(*log_odds(probabilities))))

    def check(self) -> None:
        """Check coefficients that were read from a file; BlendError where no fit has them."""
        if self.NONNEGATIVE:
            check_weights("coefficients", self.coefficients)

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


class AcrossSources(Calibration):
    """One temperature and one shift of the tie rate: those with the lowest log loss on a source that is new.

    Members are over-sure on data from elsewhere, and people of one source call more ties than those of another. Where
    folds are sources, each row was predicted by what saw nothing of its source, so that its loss is that on a new one.
    The coefficients minimise the mean over sources of the mean loss in each: the next source is one more draw from
    where these came from, and a large one tells no more of it than a small one. Two coefficients are all that a
    handful of sources can tell: the power of `Temperature`, and a factor for ties, which moves the tie rate and leaves
    A against B as it is (Saerens, Latinne & Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori
    probabilities", section 2.2). A and B share the power and have no factor, so that they are treated alike.
    With two outcomes it is the power alone.
    """

    name = "sources"
    IDENTITY = (1.0, 0.0)
    NONNEGATIVE = False  # the power alone must not be negative, which the bounds of the fit see to
    RIDGE = 1e-3  # keeps the factor finite where the labels have no tie, or nothing else

    def _fit(self, probabilities: Floats, label: NDArray[np.int8], fold: NDArray[np.int8]) -> Floats:
        """Return the coefficients with the lowest mean over folds of their rows' mean log loss."""
        parts = self._inputs(*log_odds(probabilities))
        _, place, sizes = np.unique(fold, return_inverse=True, return_counts=True)
        share = 1.0 / (len(sizes) * sizes[place])  # (n,): of each row in that mean
        target, start = one_hot(label, probabilities.shape[1]), np.array(self.IDENTITY[: len(parts[0])])

        def loss(at: Floats) -> tuple[float, Floats]:
            predicted = probabilities_of(*(at @ part for part in parts))
            a, b, *ties = ((predicted - target) * share[:, None]).T
            slope: Floats = sum(part @ off for part, off in zip(parts, (a - b, *ties), strict=True))
            shrinkage = self.RIDGE * (at - start)
            value = float(share @ row_losses(predicted, label)) + 0.5 * float(shrinkage @ (at - start))
            return value, slope + shrinkage

        fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=BOUNDS[: len(start)], options=PRECISE)
        violation = kkt_violation(fitted.x, loss(fitted.x)[1], np.arange(len(start)) == 0)
        if not violation <= KKT_ACCEPTED:
            came = f"coefficients whose optimality conditions are off by {violation:.1e}"
            raise BlendError(came, f"at most {KKT_ACCEPTED:g}", "report this as a bug")
        coefficients: Floats = fitted.x
        return coefficients

    def check(self) -> None:
        # The fit lowers loss and penalty from a loss of at most -log(CLIP), so that the penalty bounds the distance.
        reach = float(np.sqrt(-2 * np.log(CLIP) / self.RIDGE))
        moved = np.abs(self.coefficients - self.IDENTITY[: len(self.coefficients)])
        if self.coefficients[0] < 0 or (moved > reach).any():
            came = f"state.coefficients is {self.coefficients.tolist()!r:.60}"
            raise BlendError(came, f"a power of 0 or more, and no number beyond {reach:.0f}", BLEND_AGAIN)

    @staticmethod
    def _inputs(s: Floats, t: Floats | None = None) -> Odds:
        if t is None:
            return (s[None],)
        return np.stack([s, np.zeros_like(s)]), np.stack([t, np.ones_like(t)])


def n_coefficients(kind: type[Calibration], n_outcomes: int) -> int:
    """Return the number P of a calibration's coefficients."""
    return len(kind.IDENTITY) if n_outcomes == 3 else 1


KINDS: dict[str, type[Calibration]] = {kind.name: kind for kind in (Temperature, Vector, AcrossSources)}


def calibrations_for(
    folds: Folds, kinds: Iterable[type[Calibration]] = tuple(KINDS.values())
) -> list[type[Calibration]]:
    """Return those of `kinds` that the folds allow: one across sources needs folds that are sources."""
    return [kind for kind in kinds if kind is not AcrossSources or is_by_source(folds)]


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
        self.calibration.check()
        return self

    def _fit(self, stack: OOFStack) -> None:
        self.base.fit(stack)
        predicted = self.base.predict(stack.probabilities, stack.features)
        self.calibration.fit(predicted, stack.folds.label, stack.folds.fold)

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
        rows = training_rows(folds, held_out)
        fitted = kind().fit(probabilities[rows], folds.label[rows], folds.fold[rows])
        calibrated[held_out] = fitted.apply(probabilities[held_out])
    return calibrated
