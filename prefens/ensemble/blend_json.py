"""The content of blend.json, typed: written as it is declared here, and checked field by field when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from prefens.core.errors import StoreError
from prefens.ensemble.results import MemberDiagnosis

AGAIN = "blend again: python -m prefens.blend"
SHOWN = 10  # wrong fields that an error names


@dataclass(frozen=True)
class MemberEntry:
    """A member in blend.json.

    Attributes
    ----------
    member : str, its name; backbone, seed : as in its recipe, None where it was made elsewhere.
    log_loss : float, out of fold, in nats.
    recipe : str, the digest of its recipe.
    tuned_on_oof : bool, whether its settings were chosen by the rows that it is scored on.
    holdout : float, log loss in nats on the held-out rows.
    calibrated : calibration -> honest log loss in nats.
    """

    member: str
    backbone: str | None
    seed: int | None
    log_loss: float
    recipe: str | None = None
    tuned_on_oof: bool = False
    holdout: float | None = None
    calibrated: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodEntry:
    """A method in blend.json; fields as in `BlendResult`, weights by member."""

    method: str
    fitted: float
    honest: float
    honest_se: float
    differences: dict[str, tuple[float, float, float]]
    weights: dict[str, float] | None
    state: dict[str, Any]
    holdout: float | None = None


@dataclass(frozen=True)
class NestedEntry:
    """The nested choice in blend.json; fields as in `Choice`."""

    methods: int
    honest: float
    honest_se: float
    differences: dict[str, tuple[float, float, float]]


@dataclass(frozen=True)
class DiagnosticsEntry:
    """The diagnosis in blend.json; fields as in `Diagnosis`, those of members by member."""

    members: list[MemberDiagnosis]
    forward: list[float]
    alarms: list[str]


@dataclass(frozen=True)
class BlendFile:
    """The content of blend.json.

    Attributes
    ----------
    n_pairs : int, the rows that were blended.
    data_digest, fold_digest, predictions_digest : 64 hex digits: of the pairs, their folds, the predictions' columns.
    members : in the order of every method's weights; methods : calibrated ones behind theirs.
    best : the method that predicts; best_honest, best_honest_se : what to expect of it, in nats, None if not known.
    chosen_without_fold : fold -> the best method without it; nested : how those choices score; None with two folds.
    """

    n_pairs: int
    data_digest: str
    fold_digest: str
    predictions_digest: str
    members: list[MemberEntry]
    methods: list[MethodEntry]
    best: str
    best_honest: float | None
    best_honest_se: float | None
    chosen_without_fold: dict[int, str]
    nested: NestedEntry | None
    diagnostics: DiagnosticsEntry


def as_json(content: BlendFile) -> dict[str, Any]:
    """Return the content as JSON values; fields that have their default are left out."""
    values: dict[str, Any] = _adapter().dump_python(content, mode="json", exclude_defaults=True)
    return values


def read_json(path: Path) -> BlendFile:
    """Read a blend.json; StoreError where it can't be read, or names each field that is missing or of another type."""
    try:
        return _adapter().validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}", "the blend.json of a blend", AGAIN) from error
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc'])) or 'all'}: {each['msg']}" for each in error.errors()]
        raise StoreError(f"{path}: {'; '.join(wrong[:SHOWN])}", "the blend.json of a blend", AGAIN) from error


@cache
def _adapter() -> TypeAdapter[BlendFile]:
    return TypeAdapter(BlendFile)
