"""The file of a distillation: what is read is what was written, and nothing else is taken for it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefens.core.errors import StoreError
from prefens.core.types import Folds
from prefens.ensemble.distillation import HELD_OUT, OUT_OF_FOLD, Comparison, Cost, Distillation, most_different
from prefens.ensemble.files.distillation_file import _digest, read_distillation, write_distillation
from prefens.store.parquet import read_table, write_table
from tests.helpers.examples import make_stack
from tests.helpers.stores import damage

HOSTILE = "<script>\n\u202e$x[red]"


def folds_of(n_outcomes: int = 3) -> Folds:
    """Return 40 rows in four folds and a hold-out."""
    folds = make_stack(np.full((1, 40, n_outcomes), 1 / n_outcomes), np.arange(40) % n_outcomes, 5).folds
    return replace(folds, fold=np.where(folds.fold == 4, -1, folds.fold).astype(np.int8))


def distillation_of(folds: Folds) -> Distillation:
    generator = np.random.default_rng(0)

    def compared(kind: str, rows: Any) -> Comparison:
        both = generator.dirichlet(np.ones(folds.n_outcomes), size=(2, rows.sum()))
        return Comparison(kind, folds.rows(rows), *both)

    comparisons = [compared(OUT_OF_FOLD, folds.scored), compared(HELD_OUT, ~folds.scored)]
    costs = Cost(1, 0.25, 0.5, 20), Cost(15, 7.5)
    return Distillation("tfidf-1-s0", ["a", "b"], HOSTILE, ["style-1-s0", HOSTILE], "nested", comparisons, *costs)


FOLDS = folds_of()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_distillation(tmp_path / "distillation.parquet", distillation_of(FOLDS), FOLDS)


@pytest.mark.parametrize("n_outcomes", [2, 3])
def test_what_is_read_is_what_was_written(tmp_path: Path, n_outcomes: int) -> None:
    folds = folds_of(n_outcomes)
    written = distillation_of(folds)
    again = read_distillation(write_distillation(tmp_path / "file.parquet", written, folds), folds)
    assert again.as_dict() == written.as_dict()
    assert again.content == written.content
    for own, other in zip(again.comparisons, written.comparisons, strict=True):
        assert own.rows == other.rows
        for name in ("student", "teacher"):
            np.testing.assert_array_equal(getattr(own, name), getattr(other, name))
        np.testing.assert_array_equal(own.folds.ids, other.folds.ids)
        np.testing.assert_array_equal(own.folds.label, other.folds.label)


@pytest.mark.parametrize("how", ["deleted", "truncated", "", "PAR1 and no more"])
def test_a_damaged_file_is_refused_by_its_path(path: Path, how: str) -> None:
    damage(path, how)
    with pytest.raises(StoreError, match=r"distillation\.parquet") as refused:
        read_distillation(path, FOLDS)
    assert "prefens.distil" in refused.value.do


def test_no_flipped_bit_makes_another_distillation(path: Path) -> None:
    """Wherever a bit is flipped, the file is refused by its path, or read as it was: never as another one."""
    content, expected = path.read_bytes(), distillation_of(FOLDS)
    refused, read = 0, 0
    for place in range(4, len(content), 97):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        try:
            again = read_distillation(path, FOLDS)
        except StoreError as error:
            refused += str(path) in str(error)
            continue
        assert again.as_dict() == expected.as_dict()
        assert again.content == expected.content
        read += 1
    assert refused + read == len(range(4, len(content), 97))
    assert refused > 10


def test_another_split_is_refused(path: Path) -> None:
    for other in (replace(FOLDS, settings={**FOLDS.settings, "seed": 1}), folds_of(2)):
        with pytest.raises(StoreError, match=r"distillation\.parquet"):
            read_distillation(path, other)


def rewritten(path: Path, change: Callable[[pa.Table, dict[str, Any]], tuple[pa.Table, dict[str, Any]]]) -> None:
    """Write the file anew with another content and the digest of that, as somebody who knows the format could."""
    table, metadata = read_table(path, "")
    metadata.pop("sha256")
    table, metadata = change(table.replace_schema_metadata(None), metadata)
    write_table(path, table, metadata | {"sha256": _digest(table, metadata)})


def with_column(name: str, values: Any) -> Any:
    def change(table: pa.Table, metadata: dict[str, Any]) -> tuple[pa.Table, dict[str, Any]]:
        made = values(table.column(name).to_pylist()) if callable(values) else values
        return table.set_column(table.column_names.index(name), name, pa.array(made)), metadata

    return change


def with_metadata(**fields: Any) -> Any:
    return lambda table, metadata: (table, metadata | fields)


CHANGES = {
    "unknown ids": with_column("id", lambda ids: ["nobody", *ids[1:]]),
    "an id twice": with_column("id", lambda ids: [ids[1], *ids[1:]]),
    "no id": with_column("id", lambda ids: [None, *ids[1:]]),
    "ids that are lists": with_column("id", lambda ids: [[each] for each in ids]),
    "ids that are numbers": with_column("id", [*range(40)]),
    "held-out rows as scored ones": with_column("rows", [OUT_OF_FOLD] * 40),
    "other kinds of rows": with_column("rows", [HOSTILE] * 40),
    "no kind": with_column("rows", lambda kinds: [None, *kinds[1:]]),
    "no probabilities": with_column("student tie", [2.0] * 40),
    "a negative one": with_column("teacher tie", lambda values: [-0.5, *values[1:]]),
    "NaN": with_column("teacher tie", lambda values: [float("nan"), *values[1:]]),
    "a missing one": with_column("teacher tie", lambda values: [None, *values[1:]]),
    "words": with_column("teacher tie", ["high"] * 40),
    "a column less": lambda table, metadata: (table.drop_columns(["teacher tie"]), metadata),
    "a column twice": lambda table, metadata: (table.append_column("id", table.column("id")), metadata),
    "no rows": lambda table, metadata: (table.slice(0, 0), metadata),
    "a field of another type": with_metadata(members=3),
    "members that are no names": with_metadata(members=[["a"]]),
    "a cost below nothing": with_metadata(student_cost={"models": -1, "megabytes": 1.0}),
    "a cost that is no number": with_metadata(teacher_cost={"models": 1, "megabytes": float("nan")}),
    "an endless time": with_metadata(teacher_cost={"models": 1, "megabytes": 1.0, "seconds": float("inf")}),
    "a cost in words": with_metadata(student_cost="dear"),
    "another scheme": with_metadata(scheme="honest"),
    "other folds": with_metadata(fold_digest=HOSTILE),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_no_distillation_is_refused_by_its_path(path: Path, change: Any) -> None:
    rewritten(path, with_metadata())
    read_distillation(path, FOLDS)  # the same file as it was
    rewritten(path, change)
    with pytest.raises(StoreError, match=r"distillation\.parquet") as refused:
        read_distillation(path, FOLDS)
    assert "\u202e" not in str(refused.value)


def test_a_file_without_metadata_is_refused(path: Path) -> None:
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    with pytest.raises(StoreError, match=r"distillation\.parquet"):
        read_distillation(path, FOLDS)


def test_the_most_different_rows_come_first() -> None:
    compared = distillation_of(FOLDS).comparisons[0]
    places = most_different(compared, 5)
    distance = np.abs(compared.student - compared.teacher).sum(axis=1)
    assert distance[places].tolist() == sorted(distance, reverse=True)[:5]
