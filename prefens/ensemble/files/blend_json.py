"""The content of blend.json: written as it is declared here, and checked field by field when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AllowInfNan, Field, TypeAdapter

from prefens.core.errors import BLEND_AGAIN, BlendError, StoreError
from prefens.core.typed_json import read_typed
from prefens.core.types import Folds
from prefens.ensemble.decision import TieWeight
from prefens.ensemble.registry import restore
from prefens.ensemble.results import MemberDiagnosis, OtherSplit

EXPECTED = "the blend.json of a blend"
Number = Annotated[float, AllowInfNan(False)]


@dataclass(frozen=True)
class MemberEntry:
    """A member in blend.json.

    Attributes
    ----------
    member : str
        Name of the member.
    backbone : str or None
        Its backbone; None for an external member.
    seed : int or None
        Its seed; None for an external member.
    log_loss : float
        Out-of-fold log loss in nats.
    recipe : str or None
        Digest of its recipe.
    tuned_on_oof : bool
        Whether its settings were chosen by the rows that it is scored on.
    holdout : float or None
        Log loss in nats on the held-out rows.
    calibrated : dict of str to float
        From a calibration to the honest log loss with it, in nats.
    taught_on_oof : bool
        Whether its teachers saw the votes of the rows that it is scored on.
    """

    member: str
    backbone: str | None
    seed: int | None
    log_loss: Number
    recipe: str | None = None
    tuned_on_oof: bool = False
    holdout: Number | None = None
    calibrated: dict[str, Number] = field(default_factory=dict)
    taught_on_oof: bool = False


@dataclass(frozen=True)
class MethodEntry:
    """A method in blend.json: the fields of `BlendResult`, with the weights by member."""

    method: str
    fitted: Number
    honest: Number
    honest_se: Number
    differences: dict[str, tuple[Number, Number, Number]]
    weights: dict[str, Number] | None
    state: dict[str, Any]
    holdout: Number | None = None


@dataclass(frozen=True)
class NestedEntry:
    """The nested selection in blend.json: the fields of `NestedSelection`; `methods` is the number of methods."""

    methods: int
    honest: Number
    honest_se: Number
    differences: dict[str, tuple[Number, Number, Number]]


@dataclass(frozen=True)
class DiagnosticsEntry:
    """The diagnosis in blend.json: the fields of `Diagnosis`, member by member."""

    members: list[MemberDiagnosis]
    forward: list[Number]
    alarms: list[str]


@dataclass(frozen=True)
class BlendFile:
    """The content of blend.json.

    Attributes
    ----------
    n_pairs : int
        Number of rows that were blended.
    data_digest : str
        Digest of the pairs, 64 hex digits.
    fold_digest : str
        Digest of their folds, 64 hex digits.
    predictions_digest : str
        Digest of the columns of predictions.parquet, 64 hex digits.
    members : list of MemberEntry
        In the order of every method's weights.
    methods : list of MethodEntry
        Each method, followed by its calibrated forms.
    best : str
        The method that predicts.
    best_honest : float or None
        Log loss to expect of it, in nats; None where it is not known.
    best_honest_se : float or None
        Standard error of `best_honest`, in nats.
    chosen_without_fold : dict of int to str
        From a fold to the method that is best without it.
    nested : NestedEntry or None
        The scores of those methods; None with two folds.
    diagnostics : DiagnosticsEntry
        The diagnosis.
    metric : str
        What the methods are ranked by.
    tie_weight : float
        That of the best method's `Decision`.
    decided_accuracy : float or None
        The honest accuracy of this decision, where one was fitted.
    other_split : OtherSplit or None
        What members have in another split of the data.
    """

    n_pairs: int
    data_digest: str
    fold_digest: str
    predictions_digest: str
    members: list[MemberEntry]
    methods: list[MethodEntry]
    best: str
    best_honest: Number | None
    best_honest_se: Number | None
    chosen_without_fold: dict[int, str]
    nested: NestedEntry | None
    diagnostics: DiagnosticsEntry
    metric: Annotated[str, Field(pattern="^(log_loss|accuracy)$")] = "log_loss"
    tie_weight: TieWeight = 1.0
    decided_accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    other_split: OtherSplit | None = None


def as_json(content: BlendFile) -> dict[str, Any]:
    """Return the content as JSON values, without fields that have their default."""
    adapter = TypeAdapter(BlendFile)
    values: dict[str, Any] = adapter.dump_python(content, mode="json", by_alias=True, exclude_defaults=True)
    return values


def read_json(path: Path) -> BlendFile:
    """Read a blend.json, of whatever origin.

    Raises
    ------
    StoreError
        If the file can't be read, if fields are missing, of another type or not finite (the message names each of
        them), if names are there twice, or if the state of a method is not that of one fitted on these members, or on
        other outcomes than the others.
    """
    content = read_typed(path, BlendFile, EXPECTED, BLEND_AGAIN)
    for field_, names in (
        ("members", [entry.member for entry in content.members]),
        ("methods", [entry.method for entry in content.methods]),
    ):
        if not names or len(set(names)) < len(names):
            raise StoreError(
                f"{path}: {field_} are {', '.join(names) or 'none'}"[:300], "one or more, once each", BLEND_AGAIN
            )
    outcomes: set[int] = set()
    for entry in content.methods:
        try:
            blender = restore(entry.state, len(content.members))
        except BlendError as error:
            raise StoreError(f"{path}: {entry.method}: {error.came}", error.expected, BLEND_AGAIN) from error
        if blender.name != entry.method:
            raise StoreError(f"{path}: {entry.method} has the state of {blender.name}"[:300], "its own", BLEND_AGAIN)
        outcomes.add(blender.n_outcomes)
    if len(outcomes) > 1:
        raise StoreError(f"{path}: methods of 2 and of 3 outcomes", "all of one number", BLEND_AGAIN)
    if content.best not in [entry.method for entry in content.methods]:
        raise StoreError(f"{path}: best is {content.best:.60}", "one of its methods", BLEND_AGAIN)
    return content


def check_outcomes(path: Path, n_outcomes: int, folds: Folds) -> None:
    """Refuse methods of another number of outcomes than the folds beside them have, with a StoreError."""
    if n_outcomes != folds.n_outcomes:
        raise StoreError(
            f"{path}: methods of {n_outcomes} outcomes", f"{folds.n_outcomes}, as in the data", BLEND_AGAIN
        )
