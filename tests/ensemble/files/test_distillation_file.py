"""The file of a distillation: what was written is read, and what anybody else may have written is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from prefens.core.errors import StoreError
from prefens.core.types import Pairs
from prefens.ensemble.distillation import HELD_OUT, OUT_OF_FOLD, Comparison, Cost, Distillation
from prefens.ensemble.files.distillation_file import read_distillation, write_distillation
from prefens.store.parquet import read_table, write_table
from tests.helpers.examples import folds_of


def distillation(pairs: Pairs) -> Distillation:
    folds, generator = folds_of(pairs, holdout=0.2), np.random.default_rng(0)
    compared = []
    for kind, rows in ((OUT_OF_FOLD, folds.scored), (HELD_OUT, ~folds.scored)):
        said = generator.dirichlet(np.ones(3), (2, rows.sum()))
        compared.append(Comparison(kind, folds.rows(rows), *said))
    return Distillation("mine", ["a" * 64], "blend", ["x"], "nested", compared, Cost(1, 2.5, 0.1, 4))


def test_what_was_written_is_read(tmp_path: Path, pairs: Pairs) -> None:
    written = distillation(pairs)
    path = write_distillation(tmp_path / "d.parquet", written, folds_of(pairs, holdout=0.2))
    assert read_distillation(path, folds_of(pairs, holdout=0.2)).as_dict() == written.as_dict()


@pytest.mark.parametrize(
    "metadata",
    [{"scheme": "honest"}, {"student_cost": {"models": -1, "megabytes": float("nan")}}, {"members": {}}, {"sha256": 1}],
)
def test_other_metadata_are_refused(tmp_path: Path, pairs: Pairs, metadata: dict[str, Any]) -> None:
    path = write_distillation(tmp_path / "d.parquet", distillation(pairs), folds_of(pairs, holdout=0.2))
    table, stored = read_table(path, "")
    write_table(path, table, stored | metadata)
    with pytest.raises(StoreError, match=r"d\.parquet(.|\n)*prefens\.distil again"):
        read_distillation(path, folds_of(pairs, holdout=0.2))


@pytest.mark.parametrize("value", ["a", [0.5], None, 1])
@pytest.mark.parametrize("place", range(3))
def test_columns_of_other_types_are_refused(tmp_path: Path, pairs: Pairs, place: int, value: Any) -> None:
    path = write_distillation(tmp_path / "d.parquet", distillation(pairs), folds_of(pairs, holdout=0.2))
    table, stored = read_table(path, "")
    write_table(path, table.set_column(place, table.column_names[place], pa.array([value] * len(table))), stored)
    with pytest.raises(StoreError, match=r"d\.parquet(.|\n)*prefens\.distil again"):
        read_distillation(path, folds_of(pairs, holdout=0.2))
