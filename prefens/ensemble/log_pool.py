"""The logarithmic opinion pool: a weighted geometric mean of the members."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prefens.core.symmetric_logistic import fit_newton, log_odds, probabilities_of
from prefens.core.types import Floats, OOFStack, PairFeatures
from prefens.ensemble.base import Blender


class LogPool(Blender):
    """p proportional to the product of p_m ** w_m, with weights w >= 0 of the lowest log loss on the fitted rows.

    The sum of the weights is free: it is the inverse temperature of the blend. The problem is convex (Genest &
    Zidek 1986, "Combining probability distributions", section 3; Heskes 1998, "Selecting weighting factors in
    logarithmic opinion pools", section 3). Probabilities are clipped at 1e-15.
    """

    name = "log_pool"
    FITTED = ("exponents",)
    CONTAINS = ("temperature",)
    exponents: Floats  # (M,), zero or more

    def _fit(self, stack: OOFStack) -> None:
        def inputs(rows: slice) -> tuple[Floats, Floats]:
            return log_odds(stack.probabilities[:, rows])

        start = np.full(self._members, 1.0 / self._members)
        self.exponents = fit_newton(inputs, stack.folds.label, start, tied=True, nonnegative=True)

    def _predict(self, probabilities: Floats, features: PairFeatures | None) -> Floats:
        odd, even = log_odds(probabilities)
        return probabilities_of(self.exponents @ odd, self.exponents @ even)

    @property
    def used(self) -> NDArray[np.bool_]:
        return np.greater(self.exponents, 0)
