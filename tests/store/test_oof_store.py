"""The store: whole or absent, never changed in silence, refused by name when damaged."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from prefens.core.errors import StoreError
from prefens.core.files import write_json, written_aside
from prefens.core.types import FoldPredictions, Folds, Pairs
from prefens.store.assemble import make_stack
from prefens.store.failures import failure_of, note_failure
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore, SplitStore
from tests.helpers.examples import folds_of


@pytest.fixture(params=[0.0, 0.2], ids=["no hold-out", "hold-out"])
def folds(request: pytest.FixtureRequest, pairs: Pairs) -> Folds:
    return folds_of(pairs, holdout=request.param)


@pytest.fixture
def split(tmp_path: Path, folds: Folds) -> SplitStore:
    return OOFStore(tmp_path).put_folds(folds)


def spec_of(folds: Folds, seed: int = 0) -> MemberSpec:
    return MemberSpec("tfidf", "tfidf", {"bits": 4}, seed, folds.data_digest, folds.digest)


def run_of(folds: Folds, spec: MemberSpec, fold: int) -> FoldPredictions:
    rows = folds.split(fold)
    generator = np.random.default_rng(fold)
    valid, holdout = (generator.dirichlet(np.ones(3), size=len(part)) for part in (rows.valid, rows.holdout))
    return FoldPredictions(spec.key(fold), folds.ids[rows.valid], valid, folds.ids[rows.holdout], holdout)


def fill(split: SplitStore, folds: Folds, spec: MemberSpec) -> list[FoldPredictions]:
    split.put_member(spec)
    runs = [run_of(folds, spec, fold) for fold in range(folds.k)]
    for run in runs:
        split.put(spec, run, {"log_loss": 1.0}, lambda directory: None)
    return runs


def test_folds_come_back_as_they_were(tmp_path: Path, split: SplitStore, folds: Folds) -> None:
    again = OOFStore(tmp_path).select().folds
    assert again.digest == folds.digest
    for name in ("ids", "label", "group", "fold"):
        assert (getattr(again, name) == getattr(folds, name)).all()
    assert again.truth is None


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


def test_members_come_back(split: SplitStore, folds: Folds) -> None:
    for seed in (0, 1):
        split.put_member(spec_of(folds, seed))
    assert list(split.members()) == [spec_of(folds, 0), spec_of(folds, 1)]


def test_root_can_be_moved(tmp_path: Path, pairs: Pairs) -> None:
    folds = folds_of(pairs)
    split = OOFStore(tmp_path / "here").put_folds(folds)
    fill(split, folds, spec_of(folds))
    (tmp_path / "here").rename(tmp_path / "there")
    moved = OOFStore(tmp_path / "there").select()
    assert [len(moved.predictions(spec, 0).ids) for spec in moved.members()] == [len(folds.split(0).valid)]


def test_stack_joins_by_id(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    runs = fill(split, folds, spec)
    shuffled = []
    for run in runs:
        order = np.random.default_rng(1).permutation(len(run.ids))
        shuffled.append(
            FoldPredictions(
                run.key, run.ids[order], run.probabilities[order], run.holdout_ids, run.holdout_probabilities
            )
        )
    first, first_holdout = make_stack(folds, {spec.info: runs})
    second, _ = make_stack(folds, {spec.info: shuffled})
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    by_id = {id_: row for run in runs for id_, row in zip(run.ids, run.probabilities, strict=True)}
    for id_, row in zip(first.folds.ids, first.probabilities[0], strict=True):
        np.testing.assert_array_equal(row, by_id[id_])
    if first_holdout is not None:
        expected = np.mean([run.holdout_probabilities for run in runs], axis=0)
        np.testing.assert_allclose(first_holdout.probabilities[0], expected)


def damaged(run: FoldPredictions, **changes: object) -> FoldPredictions:
    fields = {**vars(run), **changes}
    return FoldPredictions(**fields)


def test_stack_refusals_name_the_member(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    runs = fill(split, folds, spec)
    first = runs[0]
    bad_row = first.probabilities.copy()
    cases = {
        "folds \\[0, 1, 2, 3\\]": runs[:-1],
        "folds \\[0, 1, 2, 3, 3\\]": [*runs[:-1], runs[3]],
        "1 of .* missing": [damaged(first, ids=first.ids[1:], probabilities=first.probabilities[1:]), *runs[1:]],
        "1 ids doubled": [damaged(first, ids=np.append(first.ids[1:], first.ids[1])), *runs[1:]],
    }
    for value in (np.nan, -0.1, 2.0):
        changed = bad_row.copy()
        changed[3, 0] = value
        cases[f"1 rows such as id {first.ids[3]}.*{str(value)[:3]}"] = [
            damaged(first, probabilities=changed),
            *runs[1:],
        ]
    for message, given in cases.items():
        with pytest.raises(StoreError, match=f"member {spec.name}.*{message}"):
            make_stack(folds, {spec.info: given})
    with pytest.raises(StoreError, match="no complete member"):
        make_stack(folds, {})


def test_stack_refuses_other_folds(tmp_path: Path, pairs: Pairs) -> None:
    ours, other = folds_of(pairs), folds_of(pairs, seed=1)
    spec = spec_of(other)
    runs = [run_of(other, spec, fold) for fold in range(other.k)]
    with pytest.raises(StoreError, match=f"member {spec.name}, fold 0: .*folds {other.digest[:12]}"):
        make_stack(ours, {spec.info: runs})


def test_select_names_what_there_is(tmp_path: Path, pairs: Pairs) -> None:
    store = OOFStore(tmp_path)
    with pytest.raises(StoreError, match="nothing yet"):
        store.select()
    first, second = folds_of(pairs), folds_of(pairs, seed=1)
    store.put_folds(first)
    store.put_folds(second)
    with pytest.raises(StoreError) as caught:
        store.select()
    assert all(each.digest[:12] in str(caught.value) for each in (first, second))
    assert store.select(fold_digest=second.digest[:8]).folds.digest == second.digest


def test_damaged_files_are_named(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    fill(split, folds, spec)
    path = split.fold_dir(spec.name, 2) / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError, match=f"{path}"):
        split.predictions(spec, 2)
    other = split.fold_dir(spec.name, 1) / "predictions.parquet"
    path.write_bytes(other.read_bytes())
    with pytest.raises(StoreError, match=r"another run.*'fold': 1"):
        split.predictions(spec, 2)


@pytest.mark.parametrize("file", ["predictions.parquet", "run.json", "model/weights"])
@pytest.mark.parametrize("how", ["truncated", "deleted"])
def test_damage_is_found(split: SplitStore, folds: Folds, file: str, how: str) -> None:
    spec = spec_of(folds)
    split.put_member(spec)
    run = run_of(folds, spec, 0)
    split.put(spec, run, {}, lambda folder: (folder / "weights").write_bytes(b"0" * 100) and None)  # type: ignore[func-returns-value]
    assert split.damage(spec, 0) is None
    path = split.fold_dir(spec.name, 0) / file
    if how == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:50])
    assert str(path) in str(split.damage(spec, 0))


def test_a_flipped_bit_in_the_probabilities_is_found(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    fill(split, folds, spec)
    path = split.fold_dir(spec.name, 0) / "predictions.parquet"
    data = bytearray(path.read_bytes())
    place = data.find(split.predictions(spec, 0).probabilities[0, 0].tobytes())
    data[place] ^= 1
    path.write_bytes(data)
    assert str(path) in str(split.damage(spec, 0))
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
    split.put(spec, run_of(folds, spec, 0), {}, lambda directory: None)
    assert failure_of(folder) is None


def test_an_interrupted_write_leaves_nothing(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    split.put_member(spec)

    def crash(directory: Path) -> None:
        (directory / "half").write_text("x")
        raise OSError("disk full")

    with pytest.raises(StoreError, match=r"disk full; nothing was stored"):
        split.put(spec, run_of(folds, spec, 0), {}, crash)
    assert split.finished_folds(spec) == []
    assert [path.name for path in split.member_dir(spec.name).iterdir()] == ["member.json"]


def test_written_aside_replaces_files_and_folders(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with written_aside(tmp_path / "folder") as aside:
            aside.mkdir()
            (aside / text).write_text(text)
        write_json(tmp_path / "file.json", {"text": text})
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["two"]
    assert json.loads((tmp_path / "file.json").read_text()) == {"text": "two"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.json", "folder"]


def test_names_and_keys_are_stable(folds: Folds) -> None:
    spec = MemberSpec("tfidf", "x", {"bits": 4}, 3, "d", "f")
    assert spec.name == "tfidf-82371be0-s3"
    keys = {spec.key(fold).digest for fold in range(5)} | {
        MemberSpec("tfidf", "x", {"bits": 4}, 0, "d", "f").key(0).digest
    }
    assert len(keys) == 6
    assert len({spec.key(fold).member_digest for fold in range(5)}) == 1
