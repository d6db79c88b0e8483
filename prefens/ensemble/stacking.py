"""Stacking: multinomial logistic regression on the members' log odds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import BLEND_AGAIN, BlendError, ConfigError
from prefens.core.feature_scaling import Block, PairScaling
from prefens.core.metrics import row_losses
from prefens.core.symmetric_logistic import Odds, fit_newton, log_odds, probabilities_of
from prefens.core.types import Floats, Ints, OOFStack, PairFeatures
from prefens.ensemble.base import FEATURES_NEEDED, Blender, read_number, shown

ONE_FOLD_ROWS = 20_000  # rows from which a single fold tells the ridges apart


@dataclass
class Stacking(Blender):
    """Logits (s, -s, t): s is linear in the members' log odds of A against B, t in those of a tie against both.

    Exchanging A and B changes the sign of s and leaves t, so the rule is swap-symmetric. The penalty shrinks the
    coefficients toward the geometric mean of the members. Wolpert 1992, "Stacked generalization"; Ting & Witten 1999,
    "Issues in stacked generalization", section 3, for probabilities as inputs.

    With two outcomes there is no t: `even` is empty, and the intercept 0.

    Beside features of the pairs, the coefficients of members are zero or more. A member that was fitted on the same
    features differs from fold to fold by the labels that it did not see; a negative coefficient would read the labels
    of the scored fold from that difference, and no cross-fitting would notice.

    Parameters
    ----------
    ridges : list of float, ascending, each above 0
        Strengths of the penalty. The one with the lowest log loss across the folds of the fitted rows is taken; from
        20,000 rows on, the first fold alone decides.
    style : bool
        Whether the style features of the pairs are inputs too; their texts must then be at hand.

    Attributes
    ----------
    odd : ndarray of shape (M + p,)
        Coefficients of s: of the members, then of the p features that change sign with A and B.
    even : ndarray of shape (M + q,)
        Coefficients of t: of the members, then of the q features that don't.
    intercept : float
        Intercept of t.
    ridge : float
        The strength that was taken.
    odd_scale, even_mean, even_scale : ndarray of shape (p,), (q,), (q,)
        Scaling of the features; empty without them.

    Raises
    ------
    ConfigError
        If `ridges` is empty, not ascending or not positive.
    """

    ridges: list[float] = field(default_factory=lambda: [1e-4, 1e-3, 1e-2, 1e-1])
    style: bool = False

    name = "stack"
    FITTED = ("odd", "even", "intercept", "odd_scale", "even_mean", "even_scale", "ridge", "style")

    def __post_init__(self) -> None:
        positive = all(0 < ridge < np.inf for ridge in self.ridges)
        if not self.ridges or not positive or sorted(self.ridges) != self.ridges:
            raise ConfigError(f"ridges={list(self.ridges)}", "positive numbers, ascending", "set [0.001, 0.1], say")

    @property
    def wants_features(self) -> bool:
        return self.style

    def _fit(self, stack: OOFStack) -> None:
        n_odd, n_even = self._fit_scaling(stack.features)
        share = np.full(self._n_members, 1.0 / self._n_members)
        ties = [share, np.zeros(n_even + 1)] if self._n_outcomes == 3 else []
        centre = np.concatenate([share, np.zeros(n_odd), *ties])
        self.ridge = self._choose_ridge(stack, centre)
        everything = np.arange(len(stack.folds.ids))
        self._set_coefficients(self._solve(stack, everything, self.ridge, centre, centre), n_odd)

    def _fit_scaling(self, features: PairFeatures | None) -> tuple[int, int]:
        """Fit the scaling of the features, if they are inputs; return how many are odd and how many even."""
        self.odd_scale, self.even_scale, self.even_mean = np.empty(0), np.empty(0), np.empty(0)
        if not self.style:
            return 0, 0
        if features is None:
            raise ConfigError(
                "stack.style=true without the features of the pairs", "the texts that the members saw", FEATURES_NEEDED
            )
        scaling = PairScaling.fit([Block(features.odd)], [Block(features.even)])
        self.odd_scale, self.even_scale = 1.0 / scaling.odd_scale, 1.0 / scaling.even_scale  # 0 for a constant
        self.even_mean = scaling.even_mean
        if self._n_outcomes == 2:
            self.even_scale, self.even_mean = np.empty(0), np.empty(0)
        return features.odd.shape[1], features.even.shape[1]

    def _choose_ridge(self, stack: OOFStack, centre: Floats) -> float:
        """Return the ridge with the lowest log loss across folds; the strongest where there is a single one."""
        fold = stack.folds.fold
        numbers = np.unique(fold)
        if len(numbers) < 2 or len(self.ridges) == 1:
            return float(self.ridges[-1])
        losses = np.zeros(len(self.ridges))
        for index in numbers[: 1 if len(fold) >= ONE_FOLD_ROWS else None]:
            valid, train = stack.rows(fold == index), np.flatnonzero(fold != index)
            point = centre
            for place in reversed(range(len(self.ridges))):
                point = self._solve(stack, train, self.ridges[place], centre, point)
                self._set_coefficients(point, len(self.odd_scale))
                losses[place] += row_losses(self.predict(valid.probabilities, valid.features), valid.folds.label).sum()
        return float(self.ridges[int(np.argmin(losses))])

    def _solve(self, stack: OOFStack, rows: Ints, ridge: float, centre: Floats, start: Floats) -> Floats:
        """Return the coefficients fitted on some rows, from a first guess `start`."""

        def inputs(part: slice) -> Odds:
            features = None if stack.features is None else stack.features.take(rows[part])
            return self._inputs(stack.probabilities[:, rows[part]], features)

        # Copies of a member share its coefficient: counted so, their penalty is that of the one member.
        weight = np.where(centre > 0, self._n_members, 1.0)
        bounded = (centre > 0) & self.style
        return fit_newton(
            inputs, stack.folds.label[rows], start, nonnegative=bounded, ridge=ridge * weight, center=centre
        )

    def _set_coefficients(self, point: Floats, n_odd_features: int) -> None:
        n_odd = self._n_members + n_odd_features
        self.odd, self.even = point[:n_odd], point[n_odd:-1]
        self.intercept = float(point[-1]) if self._n_outcomes == 3 else 0.0

    def _inputs(self, probabilities: Floats, features: PairFeatures | None) -> Odds:
        """Return (p, n) odd and, with ties, (q, n) even inputs; the last even one is the intercept's."""
        odd, *evens = log_odds(probabilities)
        ones = np.ones((1, odd.shape[1]))
        if not self.style or features is None:
            return odd, *(np.concatenate([even, ones]) for even in evens)
        sizes = [features.odd.shape[1], *(features.even.shape[1] for _ in evens)]
        fitted = [len(self.odd_scale), *(len(self.even_scale) for _ in evens)]
        if sizes != fitted:
            raise BlendError(
                f"{sizes} odd and even features of the pairs", f"the {fitted} of the fitted rule", BLEND_AGAIN
            )
        scaled_odd = np.concatenate([odd, (features.odd * self.odd_scale).T])
        scaled_even = [((features.even - self.even_mean) * self.even_scale).T for _ in evens]
        return scaled_odd, *(np.concatenate([each, *scaled_even, ones]) for each in evens)

    def _predict(self, probabilities: Floats, features: PairFeatures | None) -> Floats:
        coefficients = self.odd, np.append(self.even, self.intercept)
        inputs = self._inputs(probabilities, features)
        return probabilities_of(*(own @ part for own, part in zip(coefficients, inputs, strict=False)))

    def _lengths(self) -> dict[str, int]:
        n_odd, n_even = (np.size(scale) if self.style else 0 for scale in (self.odd_scale, self.even_scale))
        features = {"odd_scale": n_odd, "even_mean": n_even, "even_scale": n_even}
        even = self._n_members + n_even if self._n_outcomes == 3 else 0
        return {"odd": self._n_members + n_odd, "even": even, **features}

    def _check_values(self) -> None:
        for name in ("intercept", "ridge"):
            read_number(vars(self), name)
        if not isinstance(self.style, bool):
            raise BlendError(f"state.style is {shown(self.style)}", "true or false", BLEND_AGAIN)

    @property
    def used(self) -> NDArray[np.bool_]:
        return np.ones(self._n_members, dtype=bool)
