"""What blending gives: each method's scores, the choice between them, and what is known of the members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prefens.core.types import Floats


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
    differences: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


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

    chosen: dict[int, str]
    honest: float
    honest_se: float
    probabilities: Floats
    methods: int
    differences: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What is known of M members besides their scores.

    Attributes
    ----------
    weights : (M,) of the lowest log loss on all rows; intervals : (M, 2), 95 % by bootstrap over prompt groups.
    correlation : (M, M) of the members' errors.
    left_out : (M,) honest log loss in nats of the fitted blend without the member, less the one with it.
    forward : log loss in nats of the fitted blend of 1, 2, ... members, chosen and fitted without the scored fold.
    duplicates : pairs of members, by place, whose errors correlate above 0.995.
    suspects : what looks like a leak, in words.
    """

    weights: Floats
    intervals: Floats
    correlation: Floats
    left_out: Floats
    forward: list[float]
    duplicates: list[tuple[int, int]]
    suspects: list[str]
