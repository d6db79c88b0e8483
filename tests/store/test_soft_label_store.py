"""Soft labels in the store: what is read is what was written, or it is refused."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prefens.core.errors import StoreError
from prefens.core.types import Floats
from prefens.store.oof_store import OOFStore
from prefens.store.parquet import read_table, write_table
from prefens.store.soft_label_store import SoftLabelStore
from tests.helpers.examples import folds_of, make_pairs

PAIRS, INPUTS = 30, "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> SoftLabelStore:
    split = OOFStore(tmp_path).put_folds(folds_of(make_pairs(PAIRS), k=4))
    return SoftLabelStore(split, INPUTS, PAIRS)


@pytest.fixture
def values() -> Floats:
    values = np.random.default_rng(0).dirichlet(np.ones(3), size=(5, PAIRS))
    values[:, ::7] = np.nan
    return values


def test_probabilities_come_back_bit_for_bit(store: SoftLabelStore, values: Floats) -> None:
    assert store.get() is None
    store.put(values)
    np.testing.assert_array_equal(store.get(), values)
    assert SoftLabelStore(store.split, "cd" * 32, PAIRS).get() is None


def test_what_is_damaged_is_refused(store: SoftLabelStore, values: Floats) -> None:
    store.put(values)
    table, metadata = read_table(store.path, "")
    shifted = table.set_column(0, table.column_names[0], pa.array(np.asarray(table.column(0)) * 0.5))
    other = SoftLabelStore(store.split, INPUTS[:12] + "cd" * 26, PAIRS)
    impossible = np.where(np.isnan(values), values, values - [1.0, -1.0, 0.0])
    for write, came in [
        (lambda: store.path.write_bytes(store.path.read_bytes()[:-9]), ""),
        (lambda: write_table(store.path, table.slice(1), metadata), "149 rows"),
        (lambda: write_table(store.path, shifted, metadata), "not what was written"),
        (lambda: other.put(values), "not what was written"),
        (lambda: store.put(impossible), "no probabilities"),
        (lambda: store.put(np.where(np.arange(3) == 1, np.nan, values)), "no probabilities"),
    ]:
        write()
        with pytest.raises(StoreError, match=re.escape(str(store.path)) + ".*" + came):
            store.get()
