"""What blending gives: each method's scores, the choice between them, and what is known of the members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from prefens.core.types import Floats

Differences = Mapping[str, tuple[float, float, float]]  # from a reference: (difference in nats, low, high)


@dataclass(frozen=True, eq=False)
class BlendResult:
    """One blending method's outcome.

    Attributes
    ----------
    method : its name; weights : (M,) on the simplex, fitted on all scored rows, or None for rules without weights.
    fitted, honest : log loss in nats on the rows that were seen, and cross-fitted.
    honest_se : standard error of `honest`, clustered by prompt group.
    probabilities : (n, K) the cross-fitted predictions behind `honest`.
    holdout : log loss in nats on the hold-out rows, or None where there are none.
    state : the fitted blender as JSON values.
    differences : from a reference ("best member", "soft vote") to the honest log loss less that of the reference, in
        nats, and the 95 % bootstrap interval of the difference: (difference, low, high).
    """

    method: str
    weights: Floats | None
    fitted: float
    honest: float
    honest_se: float
    probabilities: Floats
    holdout: float | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    differences: Differences = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Choice:
    """Picking the best method, cross-fitted like the methods themselves.

    Attributes
    ----------
    chosen : fold -> the method with the lowest honest log loss on the other folds.
    honest, honest_se : log loss in nats of those choices, each on its fold, and its clustered standard error.
    probabilities : (n, K) the predictions behind `honest`.
    methods : how many it chose from.
    differences : as in `BlendResult`.
    """

    chosen: Mapping[int, str]
    honest: float
    honest_se: float
    probabilities: Floats
    methods: int
    differences: Differences = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What is known of M members besides their scores.

    Attributes
    ----------
    weights : (M,) of the lowest log loss on all rows; intervals : (M, 2), 95 % by bootstrap over prompt groups.
    correlation : (M, M) of the members' errors.
    left_out : (M,) honest log loss in nats of the fitted blend without the member, less the one with it.
    forward : log loss in nats of the fitted blend of 1, 2, ... members, chosen and fitted without the scored fold.
    alarms : what looks wrong, in words: leaks, members that are alike, models that are not those of the probabilities.
    """

    weights: Floats
    intervals: Floats
    correlation: Floats
    left_out: Floats
    forward: Sequence[float]
    alarms: Sequence[str]

    @property
    def duplicates(self) -> list[tuple[int, int]]:
        """Pairs of members, by place, whose errors correlate above 0.995."""
        return [(int(a), int(b)) for a, b in np.argwhere(np.triu(self.correlation > DUPLICATE, 1))]


DUPLICATE = 0.995  # correlation of errors above which two members say the same


@dataclass(frozen=True)
class MemberDiagnosis:
    """What is known of one member besides its scores.

    Attributes
    ----------
    member : str, its name.
    tuned_on_oof : bool, whether its settings were chosen by the rows that it is scored on.
    log_loss : float, out of fold, in nats.
    weight : float in [0, 1], in the mixture of the lowest log loss on all rows.
    weight_interval : (low, high), 95 % by bootstrap over prompt groups.
    left_out : float, nats by which the honest log loss of that mixture rises without it; None where it is alone.
    most_alike : str, the member whose errors correlate most with its own; None where it is alone.
    correlation : float in [-1, 1], of the errors with those of `most_alike`; None where it is alone.
    duplicate : bool, whether another member's errors correlate with its own above 0.995.
    """

    member: str
    tuned_on_oof: bool
    log_loss: float
    weight: float
    weight_interval: tuple[float, float]
    left_out: float | None
    most_alike: str | None
    correlation: float | None
    duplicate: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**vars(self), "weight_interval": list(self.weight_interval)}
