"""Results of blending: each method's scores, the nested selection between methods, and the members' diagnosis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import AllowInfNan, Field

from prefens.core.types import Floats

Differences = Mapping[str, tuple[float, float, float]]  # from a reference: (difference in nats, low, high)
DUPLICATE = 0.995  # correlation of errors above which two members say the same


@dataclass(frozen=True, eq=False)
class BlendResult:
    """Scores, honest predictions and fitted state of one blending method.

    Attributes
    ----------
    method : str
        Name of the method.
    weights : ndarray of shape (M,) or None
        Weights on the simplex, fitted on all scored rows; None for rules without such weights.
    fitted : float
        Log loss in nats on the rows that were fitted on.
    honest : float
        Cross-fitted log loss in nats.
    honest_se : float
        Standard error of `honest` in nats, clustered by prompt group.
    probabilities : ndarray of shape (n, K)
        The cross-fitted predictions behind `honest`.
    holdout : float or None
        Log loss in nats on the hold-out rows; None where there are none.
    state : dict
        The fitted blender, as JSON values.
    differences : dict of str to (float, float, float)
        From a reference ("best member", "soft vote") to the honest log loss less that of the reference, in nats, and
        the ends of the 95 % bootstrap interval of this difference.
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
class NestedSelection:
    """Selection of the best method, cross-fitted like the methods themselves.

    Attributes
    ----------
    method_by_fold : dict of int to str
        From a fold to the method with the lowest honest log loss on the other folds.
    honest : float
        Log loss in nats of these methods, each on its fold.
    honest_se : float
        Standard error of `honest` in nats, clustered by prompt group.
    probabilities : ndarray of shape (n, K)
        The predictions behind `honest`.
    n_methods : int
        Number of methods to select from.
    differences : dict of str to (float, float, float)
        As in `BlendResult`.
    """

    method_by_fold: Mapping[int, str]
    honest: float
    honest_se: float
    probabilities: Floats
    n_methods: int
    differences: Differences = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What the members of a blend contribute, and what looks wrong with them.

    Attributes
    ----------
    weights : ndarray of shape (M,)
        Weights with the lowest log loss on all rows.
    intervals : ndarray of shape (M, 2)
        95 % intervals of `weights`, by bootstrap over prompt groups.
    correlation : ndarray of shape (M, M)
        Correlation of the members' errors, in [-1, 1].
    loo_gain : ndarray of shape (M,)
        Gain by leave one out: honest log loss of the fitted blend without the member, less that with it, in nats;
        NaN for a single member.
    forward : list of float
        Honest log loss in nats of the fitted blend of 1, 2, ... members, selected without the scored fold.
    alarms : list of str
        Sentences on what looks wrong: leaks, duplicates, models that don't predict what is stored.
    """

    weights: Floats
    intervals: Floats
    correlation: Floats
    loo_gain: Floats
    forward: Sequence[float]
    alarms: Sequence[str]

    @property
    def duplicates(self) -> list[tuple[int, int]]:
        """Pairs of members, by place, whose errors correlate above 0.995."""
        return duplicate_pairs(self.correlation)


def duplicate_pairs(correlation: Floats) -> list[tuple[int, int]]:
    """Return the pairs of members, by place, that an (M, M) correlation of errors shows to be duplicates."""
    return [(int(a), int(b)) for a, b in np.argwhere(np.triu(correlation > DUPLICATE, 1))]


class Marked(Protocol):
    """What says of a member whether its out-of-fold score is too good."""

    @property
    def tuned_on_oof(self) -> bool | None: ...

    @property
    def taught_on_oof(self) -> bool: ...


def marked(name: str, row: Marked) -> str:
    """Return a member's name, marked where its settings or its teachers saw the votes of the rows that score it."""
    marks = {"tuned": row.tuned_on_oof, "taught": row.taught_on_oof}
    words = [word for word, is_marked in marks.items() if is_marked]
    return f"{name} ({', '.join(words)})" if words else name


@dataclass(frozen=True)
class MemberDiagnosis:
    """What one member contributes to a blend.

    Attributes
    ----------
    member : str
        Name of the member.
    tuned_on_oof : bool
        Whether its settings were chosen by the rows that it is scored on.
    log_loss : float
        Out-of-fold log loss in nats.
    weight : float in [0, 1]
        Its weight in the mixture with the lowest log loss on all rows.
    weight_interval : (float, float)
        95 % interval of `weight`, by bootstrap over prompt groups.
    loo_gain : float or None
        Nats by which the honest log loss of that mixture rises without it; None where it is alone. JSON calls it
        left_out.
    most_alike : str or None
        The member whose errors correlate most with its own; None where it is alone.
    correlation : float in [-1, 1] or None
        Correlation of its errors with those of `most_alike`; None where it is alone.
    duplicate : bool
        Whether another member's errors correlate with its own above 0.995.
    taught_on_oof : bool
        Whether its teachers saw the votes of the rows that it is scored on.
    """

    member: str
    tuned_on_oof: bool
    log_loss: float
    weight: float
    weight_interval: tuple[float, float]
    loo_gain: Annotated[float | None, Field(alias="left_out")]
    most_alike: str | None
    correlation: float | None
    duplicate: bool
    taught_on_oof: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values, under the names of blend.json."""
        names = {"loo_gain": "left_out"}
        values = {names.get(name, name): value for name, value in vars(self).items()}
        return {**values, "weight_interval": list(self.weight_interval)}


@dataclass(frozen=True)
class OtherSplit:
    """What members of a blend have in another split of the same data: to be shown, and never fitted on.

    Attributes
    ----------
    fold_digest : str
        The digest of its folds, 64 hex digits.
    by_source : bool
        Whether its folds are sources.
    losses : dict of str to float
        From a member to the log loss in nats of the member with its recipe and seed, on the rows that both score.
    """

    fold_digest: str
    by_source: bool
    losses: dict[str, Annotated[float, AllowInfNan(False)]]

    @property
    def title(self) -> str:
        """What its column is called."""
        return "new source" if self.by_source else "same sources"

    def of(self, member: str) -> dict[str, float]:
        """Return what a member has, by the title; empty where it is not known."""
        return {self.title: self.losses[member]} if member in self.losses else {}
