"""The file of a distillation, beside its student: what student and teacher say of each row, and what they cost."""

from __future__ import annotations

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
from prefens.store.parquet import float_columns, read_table, write_table

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
    sha256: str
    student_cost: Cost | None = None
    teacher_cost: Cost | None = None


def write_distillation(path: Path, distillation: Distillation, folds: Folds) -> Path:
    """Write a distillation of the rows of `folds`, and return the path."""
    names, compared = outcome_names(folds.n_outcomes), distillation.comparisons
    values = np.concatenate([np.hstack([each.student, each.teacher]) for each in compared])
    columns: dict[str, Any] = {
        "id": np.concatenate([each.folds.ids for each in compared]),
        "rows": np.repeat([each.rows for each in compared], [len(each.folds.ids) for each in compared]),
    }
    columns |= dict(zip([f"{who} {name}" for who in ("student", "teacher") for name in names], values.T, strict=True))
    metadata = _Metadata(
        distillation.student,
        list(distillation.content),
        distillation.source,
        list(distillation.members),
        cast(Literal["oof", "nested"], distillation.scheme),
        folds.digest,
        _digest(values),
        distillation.student_cost,
        distillation.teacher_cost,
    )
    write_table(path, pa.table(columns), asdict(metadata))
    return path


def read_distillation(path: Path, folds: Folds) -> Distillation:
    """Read what `write_distillation` wrote, of any origin.

    Raises
    ------
    StoreError
        Where the file is missing or damaged, of other rows, or holds no probabilities.
    """
    table, metadata = read_table(path, DISTIL_AGAIN)
    try:
        content = TypeAdapter(_Metadata).validate_python(metadata)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5])
        raise StoreError(f"{path}: {problems}", "the file of a distillation", DISTIL_AGAIN) from error
    names = [f"{who} {name}" for who in ("student", "teacher") for name in outcome_names(folds.n_outcomes)]
    if table.column_names != ["id", "rows", *names] or content.fold_digest != folds.digest:
        came = f"{path}: columns {', '.join(table.column_names)[:200]}, folds {content.fold_digest[:12]}"
        raise StoreError(came, f"id, rows, {', '.join(names)} of the folds {folds.digest[:12]}", DISTIL_AGAIN)
    costs = [cost for cost in (content.student_cost, content.teacher_cost) if cost is not None]
    if not all(0 <= number < np.inf for cost in costs for number in vars(cost).values() if number is not None):
        raise StoreError(f"{path}: costs {costs}"[:300], "numbers of 0 or more", DISTIL_AGAIN)
    values = float_columns(path, table, names, DISTIL_AGAIN)
    _check_values(path, values, folds.n_outcomes, content.sha256)
    ids, kinds = (np.array([str(each) for each in table.column(name).to_pylist()], object) for name in ("id", "rows"))
    compared = [_comparison(path, kind, folds, ids, values, kinds == kind) for kind in dict.fromkeys(kinds.tolist())]
    own = content.student, content.content, content.source, content.members, content.scheme
    return Distillation(*own, compared, content.student_cost, content.teacher_cost)


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


def _check_values(path: Path, values: Floats, n_outcomes: int, sha256_: str) -> None:
    sums = np.stack([part.sum(axis=1) for part in np.split(values, 2, axis=1)])
    wrong = not np.isfinite(values).all() or (values < 0).any() or (np.abs(sums - 1.0) > TOLERANCE).any()
    if wrong or _digest(values) != sha256_:
        raise StoreError(f"{path}: not the probabilities that were written", f"{n_outcomes} of each", DISTIL_AGAIN)


def _digest(values: Floats) -> str:
    return sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()
