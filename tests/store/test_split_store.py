"""A part of the store: runs are whole or absent, never changed in silence, and refused by name when damaged."""

import shutil
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from prefens.core.errors import StoreError
from prefens.core.types import Folds
from prefens.store.failures import failure_of, note_failure
from prefens.store.fold_status import read_fold_status
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore
from tests.helpers.examples import run_result
from tests.helpers.stores import damage, fill, run_of, spec_of


def write_bytes(path: Path, size: int) -> None:
    path.write_bytes(b"0" * size)


def test_predictions_come_back_bit_by_bit(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    runs = fill(split, folds, spec)
    assert split.finished_folds(spec) == list(range(folds.k))
    for run in runs:
        again = split.predictions(spec, run.key.fold)
        assert again.key == run.key
        assert (again.ids == run.ids).all()
        np.testing.assert_array_equal(again.probabilities, run.probabilities)
        np.testing.assert_array_equal(again.holdout_probabilities, run.holdout_probabilities)


def test_members_come_back_as_they_were(split: SplitStore, folds: Folds) -> None:
    for seed in (0, 1):
        split.put_member(spec_of(folds, seed))
    assert list(split.members()) == [spec_of(folds, 0), spec_of(folds, 1)]


@pytest.mark.parametrize("file", ["predictions.parquet", "run.json", "model/weights"])
@pytest.mark.parametrize("how", ["truncated", "flipped", "deleted"])
def test_damage_is_found(split: SplitStore, folds: Folds, file: str, how: str) -> None:
    spec = spec_of(folds)
    split.put_member(spec)
    run = run_of(folds, spec, 0)
    split.put(spec, run, run_result(), lambda folder: write_bytes(folder / "weights", 100))
    assert split.checked_record(spec, 0) == split.record(spec, 0)
    path = split.fold_dir(spec.name, 0) / file
    damage(path, how)
    for read in (partial(split.checked_record, spec, 0), partial(split.predictions, spec, 0, "")):
        with pytest.raises(StoreError, match=rf"{path}(.|\n)*to do: .*python -m prefens\.train"):
            read()
    assert str(path) in str(read_fold_status(split, spec, 0).damage)
    assert read_fold_status(split, spec, 0).finished is None
    if file == "model/weights":
        assert (split.predictions(spec, 0).ids == run.ids).all()  # which needs no model


def test_a_fold_run_of_another_key_is_refused(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    fill(split, folds, spec)
    folder = split.fold_dir(spec.name, 2)
    shutil.rmtree(folder)
    shutil.copytree(split.fold_dir(spec.name, 1), folder)
    for read in (partial(split.predictions, spec, 2), partial(split.finished_folds, spec)):
        with pytest.raises(StoreError, match=rf"{folder}/run\.json: belongs to another run.*'fold': 1"):
            read()


def test_a_bit_that_flips_in_a_checked_file_is_found(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    fill(split, folds, spec)
    path = split.fold_dir(spec.name, 0) / "predictions.parquet"
    data = bytearray(path.read_bytes())
    place = data.find(split.predictions(spec, 0).probabilities[0, 0].tobytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=f"{path}"):
        split.predictions(spec, 0)


def test_failures_leave_a_trace_until_the_fold_succeeds(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    split.put_member(spec)
    folder = split.fold_dir(spec.name, 0)
    assert failure_of(folder) is None
    note_failure(folder, ValueError("no good"), time.time() - 3.0)
    noted = failure_of(folder)
    assert noted is not None
    assert (noted.kind, noted.error, noted.collapsed) == ("ValueError", "no good", False)
    assert noted.seconds == pytest.approx(3.0, abs=1.0)
    split.put(spec, run_of(folds, spec, 0), run_result(), lambda directory: None)
    assert failure_of(folder) is None


def test_an_interrupted_write_leaves_nothing(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    split.put_member(spec)

    def crash(directory: Path) -> None:
        (directory / "half").write_text("x")
        raise OSError("disk full")

    with pytest.raises(StoreError, match=r"disk full; nothing was stored"):
        split.put(spec, run_of(folds, spec, 0), run_result(), crash)
    assert split.finished_folds(spec) == []
    assert [path.name for path in split.member_dir(spec.name).iterdir()] == ["member.json"]


def test_names_and_keys_are_stable(folds: Folds) -> None:
    spec = MemberSpec("tfidf", "x", {"bits": 4}, 3, "d", "f")
    assert spec.name == "tfidf-82371be0-s3"
    keys = {spec.key(fold).digest for fold in range(5)} | {
        MemberSpec("tfidf", "x", {"bits": 4}, 0, "d", "f").key(0).digest
    }
    assert len(keys) == 6
    assert len({spec.key(fold).member_digest for fold in range(5)}) == 1
