"""The logarithmic opinion pool: a weighted geometric mean of the members."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prefens.core.symmetric_logistic import Odds, fit_newton, log_odds, probabilities_of
from prefens.core.types import Floats, OOFStack, PairFeatures
from prefens.ensemble.base import Blender, check_weights


class LogPool(Blender):
    """p proportional to the product of p_m ** w_m, with the weights w >= 0 that minimise log loss.

    The sum of the weights is free: it is the inverse temperature of the blend. The problem is convex (Genest &
    Zidek 1986, "Combining probability distributions", section 3; Heskes 1998, "Selecting weighting factors in
    logarithmic opinion pools", section 3). Probabilities are clipped at 1e-15.

    Attributes
    ----------
    exponents : ndarray of shape (M,)
        Fitted weights, zero or more; their sum need not be 1.
    """

    name = "log_pool"
    FITTED = ("exponents",)
    CONTAINS = ("temperature",)
    exponents: Floats

    def _fit(self, stack: OOFStack) -> None:
        def inputs(rows: slice) -> Odds:
            return log_odds(stack.probabilities[:, rows])

        start = np.full(self._n_members, 1.0 / self._n_members)
        self.exponents = fit_newton(inputs, stack.folds.label, start, tied=True, nonnegative=True)

    def _predict(self, probabilities: Floats, features: PairFeatures | None) -> Floats:
        return probabilities_of(*(self.exponents @ odds for odds in log_odds(probabilities)))

    def _check_values(self) -> None:
        check_weights("exponents", self.exponents)

    @property
    def used(self) -> NDArray[np.bool_]:
        return np.greater(self.exponents, 0)
