"""The file of a distillation, beside its student: the predictions of student and teacher, and what they cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from prefens.core.errors import StoreError
from prefens.core.types import TOLERANCE, Floats, Folds, outcome_names
from prefens.ensemble.distillation import HELD_OUT, OUT_OF_FOLD, Comparison, Cost, Distillation
from prefens.store.parquet import read_table, write_table

FILE_NAME = "distillation.parquet"
DISTIL_AGAIN = "run python -m prefens.distil again"


@dataclass(frozen=True)
class _Metadata:
    student: str
    content: list[str]
    source: str
    members: list[str]
    scheme: Literal["oof", "nested"]
    fold_digest: str
    student_cost: Cost | None = None
    teacher_cost: Cost | None = None


def write_distillation(path: Path, distillation: Distillation, folds: Folds) -> Path:
    """Write a distillation with at least one comparison of rows of `folds`, and return the path."""
    compared = distillation.comparisons
    values = np.concatenate([np.hstack([each.student, each.teacher]) for each in compared])
    columns: dict[str, Any] = {
        "id": pa.array(np.concatenate([each.folds.ids for each in compared]), pa.string()),
        "rows": [each.rows for each in compared for _ in each.folds.ids],
    }
    table = pa.table(columns | dict(zip(_names(folds), values.T, strict=True)))
    content = _Metadata(
        distillation.student,
        list(distillation.content),
        distillation.source,
        list(distillation.members),
        cast(Literal["oof", "nested"], distillation.scheme),
        folds.digest,
        distillation.student_cost,
        distillation.teacher_cost,
    )
    metadata = asdict(content)
    write_table(path, table, metadata | {"sha256": _digest(table, metadata)})
    return path


def read_distillation(path: Path, folds: Folds) -> Distillation:
    """Read what `write_distillation` wrote, of any origin.

    Raises
    ------
    StoreError
        Where the file is missing or damaged, of other rows, or holds no probabilities.
    """
    table, metadata = read_table(path, DISTIL_AGAIN)
    written = metadata.pop("sha256", None)
    try:
        content = TypeAdapter(_Metadata).validate_python(metadata)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5])
        raise StoreError(f"{path}: {problems}", "the file of a distillation", DISTIL_AGAIN) from error
    schema = pa.schema([("id", pa.string()), ("rows", pa.string()), *((name, pa.float64()) for name in _names(folds))])
    if not table.schema.equals(schema) or not len(table) or content.fold_digest != folds.digest:
        came = f"{path}: {len(table)} rows of {', '.join(table.column_names)[:200]}, folds {content.fold_digest[:12]}"
        raise StoreError(came, f"rows of {', '.join(schema.names)} of the folds {folds.digest[:12]}", DISTIL_AGAIN)
    if written != _digest(table, metadata):
        raise StoreError(f"{path}: its content is not what was written", "the file as it was written", DISTIL_AGAIN)
    values = np.column_stack([table.column(name).to_numpy() for name in _names(folds)])
    _check_values(path, values, [content.student_cost, content.teacher_cost])
    ids, kinds = (table.column(name).to_numpy(zero_copy_only=False).astype(object) for name in ("id", "rows"))
    compared = [_comparison(path, kind, folds, ids, values, kinds == kind) for kind in dict.fromkeys(kinds.tolist())]
    own = content.student, content.content, content.source, content.members, content.scheme
    return Distillation(*own, compared, content.student_cost, content.teacher_cost)


def _names(folds: Folds) -> list[str]:
    return [f"{who} {name}" for who in ("student", "teacher") for name in outcome_names(folds.n_outcomes)]


def _comparison(path: Path, kind: str, folds: Folds, ids: Any, values: Floats, mask: Any) -> Comparison:
    place = {id_: row for row, id_ in enumerate(folds.ids)}
    own = ids[mask]
    rows = np.array([place.get(id_, -1) for id_ in own], dtype=np.int64)
    expected = {OUT_OF_FOLD: folds.scored, HELD_OUT: ~folds.scored}.get(kind)
    if expected is None or (rows < 0).any() or len(set(own)) < len(own) or not expected[rows].all():
        raise StoreError(f"{path}: {len(own)} rows of {kind!r:.40}", "ids of the data, each once", DISTIL_AGAIN)
    keep = np.zeros(len(folds.ids), dtype=bool)
    keep[rows] = True
    order = np.argsort(rows)
    student, teacher = np.split(values[mask][order], 2, axis=1)
    return Comparison(kind, folds.rows(keep), student, teacher)


def _check_values(path: Path, values: Floats, costs: Sequence[Cost | None]) -> None:
    sums = np.stack([part.sum(axis=1) for part in np.split(values, 2, axis=1)])
    if not np.isfinite(values).all() or (values < 0).any() or (np.abs(sums - 1.0) > TOLERANCE).any():
        expected = "numbers in [0, 1] that sum to 1 in each row, of student and teacher"
        raise StoreError(f"{path}: values that are no probabilities", expected, DISTIL_AGAIN)
    numbers = [value for cost in costs if cost is not None for value in vars(cost).values() if value is not None]
    if not all(np.isfinite(value) and value >= 0 for value in numbers):
        raise StoreError(f"{path}: costs of {numbers}", "numbers that are not negative", DISTIL_AGAIN)


def _digest(table: pa.Table, metadata: Mapping[str, Any]) -> str:
    """Return the sha256 of all that the file says, 64 hex digits."""
    hashed = sha256(json.dumps(metadata, sort_keys=True).encode())
    for column in table.columns:
        hashed.update(json.dumps(column.to_pylist()).encode())
    return hashed.hexdigest()
