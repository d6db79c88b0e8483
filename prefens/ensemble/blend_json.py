"""The content of blend.json: written as it is declared here, and checked field by field when it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prefens.core.typed_json import read_typed
from prefens.ensemble.results import MemberDiagnosis
from prefens.store.split_store import BLEND_AGAIN


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
    """A method in blend.json: the fields of `BlendResult`, with the weights by member."""

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
    """The nested selection in blend.json: the fields of `NestedSelection`; `methods` is the number of methods."""

    methods: int
    honest: float
    honest_se: float
    differences: dict[str, tuple[float, float, float]]


@dataclass(frozen=True)
class DiagnosticsEntry:
    """The diagnosis in blend.json: the fields of `Diagnosis`, member by member."""

    members: list[MemberDiagnosis]
    forward: list[float]
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
    """Return the content as JSON values, without fields that have their default."""
    adapter = TypeAdapter(BlendFile)
    values: dict[str, Any] = adapter.dump_python(content, mode="json", by_alias=True, exclude_defaults=True)
    return values


def read_json(path: Path) -> BlendFile:
    """Read a blend.json.

    Raises
    ------
    StoreError
        If the file can't be read, or if fields are missing or of another type; the message names each of them.
    """
    return read_typed(path, BlendFile, "the blend.json of a blend", BLEND_AGAIN)
