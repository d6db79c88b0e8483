"""The files of a blend, written and read: all that its tables, its report and its run in MLflow are made of.

blend.json           members, methods with their scores and fitted state, the nested selection, diagnostics
predictions.parquet  id, label, group and fold of every row of the data, and where the row was blended:
                     "oof NAME OUTCOME" of each member, "honest METHOD OUTCOME" of each method, "nested OUTCOME"
weights.json         the best method alone
leaderboard.json     the leaderboard
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from prefens.core.errors import BLEND_AGAIN, StoreError
from prefens.core.files import write_json
from prefens.core.hashing import digest, short
from prefens.core.metrics import p_true
from prefens.core.typed_json import SHOWN_FIELDS
from prefens.core.types import Floats, Folds, MemberInfo, OOFStack, outcome_names
from prefens.ensemble.blend import Blend, predictions_digest, with_methods
from prefens.ensemble.diagnostics import error_correlation
from prefens.ensemble.files.blend_json import (
    BlendFile,
    DiagnosticsEntry,
    MemberEntry,
    MethodEntry,
    NestedEntry,
    as_json,
    check_outcomes,
    read_json,
)
from prefens.ensemble.leaderboard import named_weights
from prefens.ensemble.registry import restore
from prefens.ensemble.results import BlendResult, Diagnosis, NestedSelection
from prefens.store.folds_table import folds_columns, folds_of
from prefens.store.parquet import read_table, write_table

PREDICTIONS = "predictions.parquet"


def write_blend(blend: Blend, folder: Path) -> list[Path]:
    """Write the files of a blend into a folder and return their paths; blend.json is written last."""
    content = describe(blend)
    best = next(method for method in content["methods"] if method["method"] == content["best"])
    weights = {"method": best["method"], "members": blend.names, "weights": best["weights"], "state": best["state"]}
    columns, metadata = folds_columns(blend.folds)
    blended = np.isin(blend.folds.ids, blend.stack.folds.ids)
    for name, own in blend.predictions.items():
        all_rows = np.full((len(blended), own.shape[1]), np.nan, dtype=own.dtype)
        all_rows[blended] = own
        for outcome, values in zip(outcome_names(), all_rows.T, strict=False):
            columns[f"{name} {outcome}"] = pa.array(values, from_pandas=True)  # null where a row was not blended
    write_table(folder / PREDICTIONS, pa.table(columns), metadata)
    return [
        folder / PREDICTIONS,
        write_json(folder / "weights.json", weights),
        write_json(folder / "leaderboard.json", [row.as_dict() for row in blend.leaderboard]),
        write_json(folder / "blend.json", content),
    ]


def read_blend(path: Path) -> Blend:
    """Read a blend.json and the predictions.parquet beside it.

    Raises
    ------
    StoreError
        If a file is missing or damaged, if a field of blend.json is missing or of another type, or if the predictions
        are of other data, other folds or another blend.
    """
    content = read_json(path)
    predictions_path = path.with_name(PREDICTIONS)
    if not predictions_path.is_file():
        raise StoreError(
            f"no {predictions_path}", "the honest predictions of the blend, beside blend.json", BLEND_AGAIN
        )
    table, metadata = read_table(predictions_path, BLEND_AGAIN)
    folds = folds_of(table, metadata, predictions_path, BLEND_AGAIN)
    _check_digest(predictions_path, path, "data", folds.data_digest, content.data_digest)
    _check_digest(predictions_path, path, "folds", folds.digest, content.fold_digest)
    check_outcomes(path, restore(content.methods[0].state).n_outcomes, folds)
    rows, predictions = _read_predictions(content, folds, table, predictions_path)
    predictions_came = predictions_digest(rows, predictions)
    _check_digest(predictions_path, path, "predictions", predictions_came, content.predictions_digest)
    blend = _restore_blend(content, folds, rows, predictions)
    if blend.best.method != content.best:
        raise StoreError(f"{path}: best is {content.best}", f"{blend.best.method}, by its honest score", BLEND_AGAIN)
    return blend


def describe(blend: Blend) -> dict[str, Any]:
    """Return the content of blend.json as JSON values; log loss in nats."""
    nested, expected, diagnoses = blend.nested, blend.expected, blend.members
    holdouts: Sequence[float | None] = blend.holdout or [None] * len(diagnoses)
    members = [
        MemberEntry(
            info.name,
            info.backbone,
            info.seed,
            diagnosis.log_loss,
            info.recipe,
            info.tuned_on_oof,
            holdout,
            dict(blend.calibrated.get(info.name, {})),
            info.taught_on_oof,
        )
        for info, diagnosis, holdout in zip(blend.stack.members, diagnoses, holdouts, strict=True)
    ]
    nested_entry = None
    if nested is not None:
        nested_entry = NestedEntry(nested.n_methods, nested.honest, nested.honest_se, dict(nested.differences))
    content = BlendFile(
        n_pairs=len(blend.stack.folds.ids),
        data_digest=blend.folds.data_digest,
        fold_digest=blend.folds.digest,
        predictions_digest=blend.predictions_digest,
        members=members,
        methods=[_method_entry(blend.stack, result) for result in blend.results],
        best=blend.best.method,
        best_honest=None if expected is None else expected.honest,
        best_honest_se=None if expected is None else expected.honest_se,
        chosen_without_fold={} if nested is None else dict(nested.method_by_fold),
        nested=nested_entry,
        diagnostics=DiagnosticsEntry(diagnoses, [*blend.diagnosis.forward], [*blend.diagnosis.alarms]),
        metric=blend.metric,
        tie_weight=blend.decision.tie_weight,
        decided_accuracy=blend.decided_accuracy,
        other_split=blend.other,
    )
    return as_json(content)


def blend_tags(blend: Blend) -> dict[str, str]:
    """Return the tags of a blend's run in MLflow; the run is found by prefens.blend, the digest of the predictions."""
    tags = {
        "data_digest": blend.folds.data_digest,
        "fold_digest": blend.folds.digest,
        "members": digest(sorted(blend.names)),
        "best": blend.best.method,
        "blend": blend.predictions_digest,
    }
    return {f"prefens.{name}": value for name, value in tags.items()}


def _method_entry(stack: OOFStack, result: BlendResult) -> MethodEntry:
    weights = named_weights(stack, result)
    return MethodEntry(
        result.method,
        result.fitted,
        result.honest,
        result.honest_se,
        dict(result.differences),
        None if weights is None else dict(weights),
        dict(result.state),
        result.holdout,
    )


def _read_predictions(content: BlendFile, folds: Folds, table: pa.Table, path: Path) -> tuple[Folds, dict[str, Floats]]:
    """Return the blended rows, and their probabilities as `Blend.predictions` does, from the table read from `path`."""
    names = [f"oof {each.member}" for each in content.members]
    names += [f"honest {each.method}" for each in content.methods]
    names += [] if content.nested is None else ["nested"]
    columns = {name: [f"{name} {outcome}" for outcome in outcome_names(folds.n_outcomes)] for name in names}
    missing = sorted({*chain.from_iterable(columns.values())} - {*table.column_names})
    if missing:
        raise StoreError(
            f"{path}: no column {', '.join(missing[:SHOWN_FIELDS])}",
            "those of the methods in its blend.json",
            BLEND_AGAIN,
        )
    blended = table.column(columns[names[0]][0]).is_valid().to_numpy()
    return folds.rows(blended), {
        name: np.column_stack([table.column(column).to_numpy()[blended] for column in own])
        for name, own in columns.items()
    }


def _restore_blend(content: BlendFile, folds: Folds, rows: Folds, predictions: Mapping[str, Floats]) -> Blend:
    infos = tuple(
        MemberInfo(each.member, each.backbone, each.seed, each.recipe, each.tuned_on_oof, each.taught_on_oof)
        for each in content.members
    )
    stack = OOFStack(infos, np.stack([predictions[f"oof {info.name}"] for info in infos]), rows)
    results = [_restore_result(infos, entry, predictions[f"honest {entry.method}"]) for entry in content.methods]
    entry, nested = content.nested, None
    if entry is not None:
        scores = entry.honest, entry.honest_se, predictions["nested"]
        nested = NestedSelection(content.chosen_without_fold, *scores, entry.methods, entry.differences)
    calibrated = {each.member: each.calibrated for each in content.members}
    holdout = [each.holdout for each in content.members if each.holdout is not None]
    diagnosis = _restore_diagnosis(content.diagnostics, stack)
    every = with_methods(calibrated, results)
    return Blend(folds, stack, results, nested, diagnosis, every, holdout or None, content.metric, content.other_split)


def _restore_result(members: Sequence[MemberInfo], entry: MethodEntry, honest: Floats) -> BlendResult:
    weights = None if entry.weights is None else np.array([entry.weights[info.name] for info in members])
    return BlendResult(
        entry.method,
        weights,
        entry.fitted,
        entry.honest,
        entry.honest_se,
        honest,
        entry.holdout,
        entry.state,
        entry.differences,
    )


def _restore_diagnosis(entry: DiagnosticsEntry, stack: OOFStack) -> Diagnosis:
    return Diagnosis(
        np.array([row.weight for row in entry.members]),
        np.array([row.weight_interval for row in entry.members]),
        error_correlation(stack, p_true(stack.probabilities, stack.folds.label)),
        np.array([np.nan if row.loo_gain is None else row.loo_gain for row in entry.members]),
        entry.forward,
        entry.alarms,
    )


def _check_digest(path: Path, blend: Path, name: str, came: str, expected: str) -> None:
    if came != expected:
        raise StoreError(f"{path}: {name} {short(came)}", f"{name} {short(expected)}, as in {blend}", BLEND_AGAIN)
