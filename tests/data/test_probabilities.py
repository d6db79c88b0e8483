"""External probabilities: valid rows are read, rounded ones are renormalized and counted, the others are named."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefens.core.errors import ConfigError, DataError
from prefens.core.types import TOLERANCE, Floats
from prefens.data.probabilities import NAMINGS, read_probabilities
from tests.helpers.examples import write_probabilities


@pytest.fixture
def values(generator: np.random.Generator) -> Floats:
    return generator.dirichlet(np.ones(3), size=40)


IDS = [str(1000 + row) for row in range(40)]


@pytest.mark.parametrize("name", ["oof.csv", "oof.parquet"])
@pytest.mark.parametrize("naming", NAMINGS)
def test_round_trip(tmp_path: Path, values: Floats, name: str, naming: dict[str, str]) -> None:
    ids, found = read_probabilities(write_probabilities(tmp_path / name, IDS, values, [*naming.values()]))
    assert ids.tolist() == IDS
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("naming", NAMINGS)
def test_without_a_column_of_ties_there_are_two_outcomes(
    tmp_path: Path, values: Floats, naming: dict[str, str]
) -> None:
    two = values[:, :2] / values[:, :2].sum(axis=1, keepdims=True)
    path = write_probabilities(tmp_path / "oof.csv", IDS, two, [*naming.values()][:2])
    np.testing.assert_allclose(read_probabilities(path)[1], two)
    with pytest.raises(DataError, match="columns"):
        read_probabilities(path, {"tie": "draw"})
    with pytest.raises(DataError, match="2 finite probabilities"):
        read_probabilities(write_probabilities(tmp_path / "oof.csv", IDS, values[:, :2], [*naming.values()][:2]))


def test_parquet_equals_csv_for_numbers_as_ids(tmp_path: Path, values: Floats) -> None:
    frame = pd.DataFrame(values, columns=[*NAMINGS[0]])
    frame.assign(id=np.arange(1000, 1040)).to_csv(tmp_path / "oof.csv", index=False)
    frame.assign(id=np.arange(1000, 1040).astype(float)).to_parquet(tmp_path / "oof.parquet")
    for name in ("oof.csv", "oof.parquet"):
        ids, found = read_probabilities(tmp_path / name)
        assert ids.tolist() == IDS
        np.testing.assert_array_equal(found, values)


@given(st.integers(0, 1000))
def test_rounded_rows_are_renormalized(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    values = np.random.default_rng(seed).dirichlet(np.ones(3), size=40)
    rounded = values.astype(np.float16).astype(np.float64)
    path = write_probabilities(tmp_path_factory.mktemp("half") / "oof.parquet", IDS, rounded)
    _, found = read_probabilities(path)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=TOLERANCE)
    np.testing.assert_allclose(found, values, atol=1.5e-3)


def test_renormalized_rows_are_counted(tmp_path: Path, values: Floats, caplog: pytest.LogCaptureFixture) -> None:
    values[[3, 7]] *= 1.0015
    with caplog.at_level(logging.WARNING):
        _, found = read_probabilities(write_probabilities(tmp_path / "oof.csv", IDS, values))
    assert "2 of 40 rows renormalized" in caplog.text
    np.testing.assert_array_equal(np.delete(found, [3, 7], axis=0), np.delete(values, [3, 7], axis=0))


@pytest.mark.parametrize("change", [np.nan, np.inf, -0.1, 0.0021])
def test_invalid_rows_are_named(tmp_path: Path, values: Floats, change: float) -> None:
    values[5, 0] += change if change == 0.0021 else change - values[5, 0]
    with pytest.raises(DataError, match=r"oof.csv: 1 of 40 rows(.|\n)*row 6 \(id 1005\)"):
        read_probabilities(write_probabilities(tmp_path / "oof.csv", IDS, values))


def test_repeated_ids_are_named(tmp_path: Path, values: Floats) -> None:
    with pytest.raises(DataError, match=r"row 40 \(id 1000\): id: already in row 1"):
        read_probabilities(write_probabilities(tmp_path / "oof.csv", [*IDS[:-1], IDS[0]], values))


def test_columns_are_mapped(tmp_path: Path, values: Floats) -> None:
    path = tmp_path / "oof.csv"
    pd.DataFrame(values, columns=["t", "a", "b"]).assign(key=IDS).to_csv(path, index=False)
    ids, found = read_probabilities(path, {"id": "key", "a_wins": "a", "b_wins": "b", "tie": "t"})
    assert ids.tolist() == IDS
    np.testing.assert_array_equal(found, values[:, [1, 2, 0]])
    for wrong in ({}, {"id": "key"}, {"id": "key", "a_wins": "a", "b_wins": "B", "tie": "t"}):
        with pytest.raises(DataError, match="columns t, a, b, key"):
            read_probabilities(path, wrong)
    with pytest.raises(ConfigError, match="draw"):
        read_probabilities(path, {"draw": "t"})


def test_the_id_alone_may_be_mapped(tmp_path: Path, values: Floats) -> None:
    path = tmp_path / "oof.csv"
    pd.DataFrame(values, columns=[*NAMINGS[1].values()]).assign(key=IDS).to_csv(path, index=False)
    assert read_probabilities(path, {"id": "key"})[0].tolist() == IDS


def test_labels_are_no_probabilities(tmp_path: Path) -> None:
    path = write_probabilities(tmp_path / "train.csv", IDS, np.eye(3)[np.arange(40) % 3], [*NAMINGS[1].values()])
    with pytest.raises(DataError, match="not labels"):
        read_probabilities(path)
