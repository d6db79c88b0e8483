"""Labels and folds without texts: two forms, one meaning, whatever the order of the rows."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefens.core.errors import DataError
from prefens.core.types import HOLDOUT, Pairs
from prefens.data.fold_file import read_folds
from prefens.data.folds import FoldSettings, make_folds, prompt_groups, split_rows
from prefens.data.labels import read_labels
from prefens.data.loaded import LABEL
from tests.helpers.examples import make_pairs, write_labels


def test_labels_of_two_outcomes(tmp_path: Path) -> None:
    clear, tied = make_pairs(20, classes=2), make_pairs(20)
    forms = [read_labels(write_labels(tmp_path / "labels.csv", clear, one_hot), 2) for one_hot in (False, True)]
    assert [rows.n_outcomes for rows in forms] == [2, 2]
    assert forms[0].data_digest == forms[1].data_digest != read_labels(tmp_path / "labels.csv").data_digest
    assert split_rows(forms[0], FoldSettings(k=3)).n_outcomes == 2
    with pytest.raises(DataError, match="a tie, but the members have two outcomes"):
        read_labels(write_labels(tmp_path / "labels.csv", tied), 2)


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.2]), st.booleans())
def test_both_forms_and_any_order_give_the_same_folds(
    tmp_path_factory: pytest.TempPathFactory, seed: int, holdout: float, grouped: bool
) -> None:
    folder, pairs = tmp_path_factory.mktemp("labels"), make_pairs(60, seed)
    shuffled = pairs.take(np.random.default_rng(seed).permutation(60))
    one = write_labels(folder / "one.csv", pairs, grouped=grouped)
    two = write_labels(folder / "two.parquet", shuffled, one_hot=True, grouped=grouped)
    settings = FoldSettings(holdout=holdout, seed=seed)
    first, second = (split_rows(read_labels(path), settings) for path in (one, two))
    assert (first.ids == second.ids).all()
    assert (first.data_digest, first.digest) == (second.data_digest, second.digest)
    assert first.settings["scheme"] == ("stratified_group" if grouped else "stratified")


def test_groups_give_the_folds_of_the_texts(tmp_path: Path, pairs: Pairs) -> None:
    path = write_labels(tmp_path / "labels.csv", pairs, grouped=True)
    found, expected = split_rows(read_labels(path), FoldSettings()), make_folds(pairs, FoldSettings())
    assert (found.group == prompt_groups(pairs)).all()
    assert (found.fold == expected.fold).all()


def test_labels_decide_the_digest(tmp_path: Path, pairs: Pairs) -> None:
    frame = pd.read_csv(write_labels(tmp_path / "labels.csv", pairs))
    frame["label"] = (frame["label"] + 1) % 3
    frame.to_csv(tmp_path / "other.csv", index=False)
    write_labels(tmp_path / "grouped.csv", pairs, grouped=True)
    names = ("labels.csv", "other.csv", "grouped.csv")
    assert len({read_labels(tmp_path / name).data_digest for name in names}) == 3


def test_shared_prompts_without_groups_are_warned_of(
    tmp_path: Path, pairs: Pairs, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        read_labels(write_labels(tmp_path / "labels.csv", pairs, grouped=True))
        assert not caplog.records
        read_labels(write_labels(tmp_path / "labels.csv", pairs))
    assert "no column group" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,label\n1,0\n2,3\n", r"row 2 \(id 2\): label '3'"),
        ("id,label\n1,0\n1,2\n", r"row 2 \(id 1\): id: already in row 1"),
        ("id,label,group\n1,0,a\n2,1,\n", r"row 2 \(id 2\): group: empty"),
        ("id," + ",".join(LABEL) + "\n7,1,1,0\n", r"row 1 \(id 7\): label winner_model_a='1'"),
        ("id,winner\n1,0\n", "columns id, winner"),
        ("label\n1\n", "no column id"),
    ],
)
def test_wrong_labels_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / "labels.csv")


def test_folds_from_a_file(tmp_path: Path, pairs: Pairs, generator: np.random.Generator) -> None:
    rows = read_labels(write_labels(tmp_path / "labels.csv", pairs))
    made = split_rows(rows, FoldSettings(k=3, holdout=0.2))
    frame = pd.DataFrame({"id": made.ids, "fold": made.fold}).iloc[generator.permutation(60)]
    frame.to_csv(tmp_path / "folds.csv", index=False)
    found = read_folds(tmp_path / "folds.csv", rows)
    assert (found.fold == made.fold).all()
    assert (found.k, found.settings["scheme"]) == (3, "file")
    assert (found.fold == HOLDOUT).mean() == found.settings["holdout"]
    frame.astype({"fold": float}).to_parquet(tmp_path / "folds.parquet")
    assert read_folds(tmp_path / "folds.parquet", rows).digest == found.digest


def test_a_fold_file_that_leaks_is_warned_of(tmp_path: Path, pairs: Pairs, caplog: pytest.LogCaptureFixture) -> None:
    rows = read_labels(write_labels(tmp_path / "labels.csv", pairs, grouped=True))
    pd.DataFrame({"id": rows.ids, "fold": np.arange(60) % 5}).to_csv(tmp_path / "folds.csv", index=False)
    with caplog.at_level(logging.WARNING):
        read_folds(tmp_path / "folds.csv", rows)
    assert "more than one fold (12 times)" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame[1:], r"1 of 60 ids missing \(first: 1000\)"),
        (lambda frame: frame.assign(id=frame.id.replace(1059, 7)), r"1 unknown \(first: 7\)"),
        (lambda frame: frame.assign(fold=frame.fold + 1), r"no row for folds \[0\]"),
        (lambda frame: frame.assign(fold=frame.fold.replace(4, 1.5)), r"row 5 \(id 1004\): fold '1.5'"),
        (lambda frame: frame.assign(fold=0), r"no row for folds \[1\]"),
    ],
)
def test_wrong_fold_files_are_refused(tmp_path: Path, pairs: Pairs, change: object, message: str) -> None:
    rows = read_labels(write_labels(tmp_path / "labels.csv", pairs))
    frame = pd.DataFrame({"id": range(1000, 1060), "fold": np.arange(60) % 5})
    change(frame).to_csv(tmp_path / "folds.csv", index=False)  # type: ignore[operator]
    with pytest.raises(DataError, match=message):
        read_folds(tmp_path / "folds.csv", rows)
