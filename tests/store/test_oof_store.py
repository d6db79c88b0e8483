"""The store: parts of it are found by their digests, and another format version is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prefens.core.errors import StoreError
from prefens.core.fold_run import FORMAT_VERSION
from prefens.core.types import Folds, Pairs
from prefens.data.fold_settings import FoldSettings, Scheme
from prefens.data.folds import make_folds
from prefens.store.oof_store import OOFStore
from prefens.store.parquet import read_table, write_table
from prefens.store.split_store import SplitStore
from tests.helpers.examples import folds_of, make_blend
from tests.helpers.stores import damage, fill, spec_of


def test_folds_come_back_as_they_were(tmp_path: Path, split: SplitStore, folds: Folds) -> None:
    again = OOFStore(tmp_path).select().folds
    assert again.digest == folds.digest
    for name in ("ids", "label", "group", "fold"):
        assert (getattr(again, name) == getattr(folds, name)).all()
    assert again.truth is None


def test_root_can_be_moved(tmp_path: Path, pairs: Pairs) -> None:
    folds = folds_of(pairs)
    split = OOFStore(tmp_path / "here").put_folds(folds)
    fill(split, folds, spec_of(folds))
    (tmp_path / "here").rename(tmp_path / "there")
    moved = OOFStore(tmp_path / "there").select()
    assert [len(moved.predictions(spec, 0).ids) for spec in moved.members()] == [len(folds.split(0).valid)]


def test_select_names_what_there_is(tmp_path: Path, pairs: Pairs) -> None:
    store = OOFStore(tmp_path)
    with pytest.raises(StoreError, match=r"no member was trained in /.*"):
        store.select()
    first, second = folds_of(pairs), folds_of(pairs, seed=1)
    store.put_folds(first)
    store.put_folds(second)
    with pytest.raises(StoreError) as caught:
        store.select()
    assert all(each.digest[:12] in str(caught.value) for each in (first, second))
    assert store.select(fold_digest=second.digest[:8]).folds.digest == second.digest


READERS: dict[str, Callable[[OOFStore, Folds], object]] = {
    "put_folds": lambda store, folds: store.put_folds(folds),
    "put other folds": lambda store, folds: store.put_folds(folds.rows(folds.fold != 0)),
    "splits": lambda store, folds: store.splits(),
    "find": lambda store, folds: store.find(folds),
    "select": lambda store, folds: store.select(),
    "folds": lambda store, folds: SplitStore(next(store.root.glob("store/*"))).folds,
}


@pytest.mark.parametrize("version", [1, FORMAT_VERSION + 1])
@pytest.mark.parametrize("reader", READERS)
def test_another_format_version_is_refused(
    tmp_path: Path, split: SplitStore, folds: Folds, reader: str, version: int
) -> None:
    path = split.path / "folds.parquet"
    table, metadata = read_table(path, "")
    assert metadata.pop("format_version") == FORMAT_VERSION
    write_table(path, table, metadata if version == 1 else {**metadata, "format_version": version})
    expected = rf"{path}: format version {version}\n.*version {FORMAT_VERSION}.*\n.*another tracking\.root"
    with pytest.raises(StoreError, match=expected):
        READERS[reader](OOFStore(tmp_path), folds)


@pytest.mark.parametrize("how", ["truncated", "flipped", "", "version https://git-lfs.github.com/spec/v1"])
def test_damaged_folds_are_named_and_written_again(tmp_path: Path, split: SplitStore, folds: Folds, how: str) -> None:
    path, store = split.path / "folds.parquet", OOFStore(tmp_path)
    whole = path.read_bytes()
    damage(path, how)
    other = store.put_folds(folds.rows(folds.fold != 0))
    assert other.folds.digest != folds.digest  # another data set is not hindered
    assert store.select(fold_digest=other.folds.digest).path == other.path
    assert store.find(other.folds) == other
    for digest in (folds.digest, folds.digest[:4], None):
        with pytest.raises(StoreError, match=rf"{path}(.|\n)*to do: .*python -m prefens\.train"):
            store.select(fold_digest=digest)
    again = store.put_folds(folds)
    assert again.folds.digest == folds.digest
    assert path.read_bytes() == whole


@pytest.mark.parametrize(("name", "value"), [("label", 99), ("label", -1), ("fold", 5)])
def test_labels_and_folds_that_can_not_be_are_refused(split: SplitStore, name: str, value: int) -> None:
    path = split.path / "folds.parquet"
    table, metadata = read_table(path, "")
    values = table.column(name).to_pylist()
    values[3] = value
    place = table.column_names.index(name)
    changed = table.set_column(place, name, pa.array(values, pa.int8())).replace_schema_metadata(None)
    write_table(path, changed, metadata)
    with pytest.raises(StoreError, match=f"{path}: {name} is no column of numbers from"):
        assert SplitStore(split.path).folds


def test_folds_of_another_assignment_in_the_place_of_these_are_replaced(split: SplitStore, folds: Folds) -> None:
    store, path = OOFStore(split.root), split.path / "folds.parquet"
    whole = path.read_bytes()
    path.write_bytes((store.put_folds(folds.rows(folds.fold != 0)).path / "folds.parquet").read_bytes())
    assert store.put_folds(folds).folds.digest == folds.digest
    assert path.read_bytes() == whole


def test_the_split_by_source_predicts_and_has_the_best_model(
    tmp_path: Path, pairs: Pairs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    store = OOFStore(tmp_path)
    by_prompt = store.put_folds(make_folds(pairs, FoldSettings(k=3)))
    assert store.is_best(by_prompt)
    assert store.predicting().path == by_prompt.path
    settings, source = FoldSettings(Scheme.source, k=None), np.resize(np.array(["a", "b"], object), len(pairs))
    by_source = store.put_folds(make_folds(pairs, settings, source))
    assert store.predicting().path == store.predicting(by_source.folds.data_digest[:6]).path == by_source.path
    assert "that by source predicts" in caplog.text
    assert store.predicting(fold_digest=by_prompt.folds.digest[:8]).path == by_prompt.path
    make_blend(by_prompt, {"a": 1.0})
    assert store.predicting().path == by_prompt.path  # the one that can
    assert f"has no blend: {by_prompt.path} predicts" in caplog.text
    make_blend(by_source, {"a": 1.0})
    assert store.predicting().path == by_source.path
    assert (store.is_best(by_prompt), store.is_best(by_source)) == (False, True)
    others = make_folds(pairs.take(np.arange(len(pairs) - 5)), FoldSettings(k=3))
    other = store.put_folds(others)
    assert store.is_best(other)  # of other data
    with pytest.raises(StoreError, match="source, k=2"):
        store.predicting()
    again = store.put_folds(make_folds(pairs, replace(settings, seed=1), source))
    with pytest.raises(StoreError, match="3 combinations"):
        store.predicting(by_prompt.folds.data_digest)
    assert store.is_best(again)
