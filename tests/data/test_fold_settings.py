"""Folds that are sources: a row is scored by what saw no row of its source and no row with its prompt."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefens.core.errors import ConfigError, DataError
from prefens.core.fold_run import training_rows
from prefens.core.types import HOLDOUT, Pairs
from prefens.data.corpus import Corpus, make_corpus
from prefens.data.fold_settings import FoldSettings, Scheme
from prefens.data.folds import make_folds
from prefens.data.sources import FileSource, HubSource, SyntheticSource
from tests.helpers.examples import column, make_pairs, write_csv
from tests.helpers.formats import arena

BY_SOURCE = FoldSettings(Scheme.source, k=None)


def source_file(folder: Path, name: str, count: int, seed: int, topic: str = "") -> str:
    """Write pairs with prompts of their own, but for the first three, which every source has."""
    pairs = make_pairs(count, seed)
    prompts = [turns if row < 3 else (f"{topic or name} {turns[0]}",) for row, turns in enumerate(pairs.prompt)]
    ids = column([f"{name}-{row}" for row in range(count)])
    return str(write_csv(folder / f"{name}.csv", replace(pairs, ids=ids, prompt=column(prompts))))


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return [
        source_file(tmp_path, name, count, seed)
        for seed, (name, count) in enumerate({"a": 40, "b": 30, "c": 8}.items())
    ]


def corpus_of(files: list[str], settings: FoldSettings = BY_SOURCE, **source: object) -> Corpus:
    return make_corpus(FileSource(path=files, **source), settings)  # type: ignore[arg-type]


def test_a_source_is_a_fold_and_its_prompts_are_trained_on_in_none(files: list[str]) -> None:
    corpus = corpus_of(files)
    folds, owner = corpus.folds, np.array([id_[0] for id_ in corpus.pairs.ids])
    assert (folds.k, folds.settings["sources"]) == (3, ["a", "b", "c"])
    for fold, name in zip(folds, "abc", strict=True):
        rows = corpus.train_rows(fold)
        assert (owner[fold.valid] == name).all()
        assert len(fold.valid) == (owner == name).sum()
        assert name not in owner[rows]
        assert not {*corpus.group[rows]} & {*corpus.group[fold.valid]}
        left_out = {*fold.train} - {*rows}
        assert {corpus.pairs.ids[row][2:] for row in left_out} == {"0", "1", "2"}  # those that every source has
        assert np.array_equal(np.flatnonzero(training_rows(folds, folds.fold == fold.index)), rows)
        inner = corpus.inner_folds(rows, corpus.pairs.labels[rows], 0)
        for index in range(5):
            assert not {*corpus.group[rows[inner == index]]} & {*corpus.group[rows[inner != index]]}


def test_the_order_of_files_and_rows_changes_nothing(files: list[str], generator: np.random.Generator) -> None:
    digest = corpus_of(files).folds.digest
    frame = pd.read_csv(files[0], dtype=str)
    frame.iloc[generator.permutation(len(frame))].to_csv(files[0], index=False)
    assert corpus_of(files[::-1]).folds.digest == digest
    assert corpus_of(files, FoldSettings()).folds.digest != digest
    assert corpus_of(files, replace(BY_SOURCE, seed=1)).folds.digest != digest


def test_no_path_is_in_the_folds(tmp_path: Path, files: list[str]) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    again = [str(Path(path).rename(moved / Path(path).name)) for path in files]
    folds = corpus_of(again).folds
    assert str(tmp_path) not in str(folds.settings)
    assert folds.settings["sources"] == ["a", "b", "c"]


def test_extra_rows_follow_the_same_rule(tmp_path: Path, files: list[str]) -> None:
    extra = source_file(tmp_path, "x", 30, 9, topic="a")
    corpus = corpus_of(files, extra=[extra])
    n = len(corpus.folds.ids)
    for fold in corpus.folds:
        rows = corpus.train_rows(fold)
        assert not {*corpus.group[rows]} & {*corpus.group[fold.valid]}
        assert (rows >= n).any() == (fold.index != 0)  # all prompts of a are held out in its fold


def test_the_holdout_has_no_prompt_of_a_scored_row(files: list[str]) -> None:
    folds = corpus_of(files, replace(BY_SOURCE, holdout=0.3)).folds
    assert not {*folds.group[folds.scored]} & {*folds.group[~folds.scored]}
    assert 0.2 < (folds.fold == HOLDOUT).mean() < 0.4


def test_a_column_may_name_the_sources(tmp_path: Path, files: list[str]) -> None:
    by_file = corpus_of(files)
    frames = [pd.read_csv(path, dtype=str).assign(site=Path(path).stem) for path in files]
    pd.concat(frames).to_csv(tmp_path / "all.csv", index=False)
    by_column = corpus_of([str(tmp_path / "all.csv")], replace(BY_SOURCE, source_column="site"))
    assert by_column.folds.digest == by_file.folds.digest
    votes = arena(make_pairs(12)).assign(site=np.arange(12) % 2, language=["en", "de"] * 6)
    votes.to_parquet(tmp_path / "votes.parquet")
    for name, sources in (("site", ["0", "1"]), ("language", ["de", "en"])):  # the second is read anyway
        settings = replace(BY_SOURCE, source_column=name)
        loaded = FileSource(path=str(tmp_path / "votes.parquet")).load(source_column=name)
        assert sorted(loaded.metadata) == ["language", "source", "tie"]
        assert make_folds(loaded.pairs, settings, loaded.metadata["source"]).settings["sources"] == sources


def test_a_column_that_does_not_name_each_source_is_refused(tmp_path: Path, files: list[str]) -> None:
    settings = replace(BY_SOURCE, source_column="site")
    with pytest.raises(DataError, match=r"a\.csv: no column site"):
        corpus_of(files, settings)
    frame = pd.read_csv(files[0], dtype=str)
    frame.assign(site=["x", "", "y", None] + ["x"] * 36).to_csv(tmp_path / "holes.csv", index=False)
    with pytest.raises(DataError, match=r"site is empty in 2 of 40 rows \(row 2, row 4\)"):
        corpus_of([str(tmp_path / "holes.csv")], settings)
    with pytest.raises(ConfigError, match="data=synthetic"):
        make_corpus(SyntheticSource(rows=20), settings)


def test_what_can_be_no_folds_is_refused(tmp_path: Path, files: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"folds\.k=3 with folds\.scheme=source"):
        FoldSettings(Scheme.source, k=3)
    with pytest.raises(ConfigError, match=r"folds\.k=None"):
        FoldSettings(k=None)
    with pytest.raises(ConfigError, match="stratified_group"):
        FoldSettings(source_column="site")
    with pytest.raises(ConfigError, match="pairs of 1 source: a"):
        corpus_of(files[:1])
    with pytest.raises(ConfigError, match="none is named"):
        make_corpus(SyntheticSource(rows=20), BY_SOURCE)
    pairs = make_pairs(20)
    copies = [str(write_csv(tmp_path / f"{name}.csv", pairs)) for name in ("p", "q", "r")]
    with pytest.raises(ConfigError, match="pairs of 1 source: p"):  # the others' pairs are in a source before
        corpus_of(copies)
    swapped = str(write_csv(tmp_path / "s.csv", pairs.swapped()))
    with pytest.raises(ConfigError, match="the source p has no other source's prompt that is not its own"):
        corpus_of([copies[0], swapped])


def test_sources_of_the_same_prompts_leave_little_to_train_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    asked = make_pairs(40)
    write_csv(tmp_path / "p.csv", asked)
    again = make_pairs(20, seed=1)  # prompts of the first one, but for one
    prompt = again.prompt.copy()
    prompt[7] = ("another question",)
    write_csv(tmp_path / "q.csv", replace(again, prompt=prompt))
    corpus_of([str(tmp_path / "p.csv"), str(tmp_path / "q.csv")])
    assert "1 of 20 rows are left to train on without p: the others share prompts" in caplog.text
    assert "without q" not in caplog.text


def test_the_hub_has_sources_by_column(tmp_path: Path) -> None:
    (tmp_path / "votes").mkdir()
    frame = arena(make_pairs(12)).assign(site=[f"site{row % 3}" for row in range(12)])
    frame.to_parquet(tmp_path / "votes" / "train.parquet")
    folds = make_corpus(HubSource(name=str(tmp_path / "votes")), replace(BY_SOURCE, source_column="site")).folds
    assert folds.settings["sources"] == ["site0", "site1", "site2"]


def test_other_schemes_have_the_folds_they_had() -> None:
    pairs: Pairs = make_pairs(60)
    assert dict(make_folds(pairs, FoldSettings()).settings) == {
        "scheme": "stratified_group", "k": 5, "seed": 0, "holdout": 0.0,
    }  # fmt: skip
