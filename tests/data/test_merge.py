"""Several sources are one data set: what they share counts once, ids stay unique, and no fold leaks across them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefens.core.errors import ConfigError, DataError
from prefens.core.types import Pairs
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings, data_digest
from prefens.data.merge import source_names
from prefens.data.sources import BothBad, FileSource
from tests.helpers.commands import QUIET, prefens
from tests.helpers.examples import column, make_pairs, write_csv
from tests.helpers.formats import arena, wsdm


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """60 pairs; 20 of them again and 20 others, of which 10 have the ids of the first ones."""
    first, other = make_pairs(60), make_pairs(20, seed=1)
    other = replace(other, ids=column([*first.ids[:10], *(f"new{row}" for row in range(10))]))
    second = Pairs.concatenate([first.take(np.arange(20, 40)), other])
    return [str(write_csv(tmp_path / "a.csv", first)), str(write_csv(tmp_path / "b.csv", second))]


def test_shared_pairs_count_once_and_ids_stay_unique(files: list[str]) -> None:
    loaded = FileSource(path=files).load()
    assert [(each.name, each.pairs, each.merged) for each in loaded.sources] == [("a", 60, 0), ("b", 20, 20)]
    assert len(set(loaded.pairs.ids)) == len(loaded.pairs) == 80
    assert sorted(id_ for id_ in loaded.pairs.ids if ":" in id_) == sorted(
        f"{name}:{1000 + row}" for name in "ab" for row in range(10)
    )
    assert np.unique(loaded.metadata["source"], return_counts=True)[1].tolist() == [60, 20]
    assert data_digest(FileSource(path=files[::-1]).load().pairs) == data_digest(loaded.pairs)


def test_one_source_is_as_it_was(files: list[str]) -> None:
    one, as_list = FileSource(path=files[0]).load(), FileSource(path=files[:1]).load()
    assert data_digest(one.pairs) == data_digest(as_list.pairs) == data_digest(make_pairs(60))


def test_prompts_are_grouped_across_sources(files: list[str]) -> None:
    corpus = make_corpus(FileSource(path=files), FoldSettings(k=3))
    for fold in corpus.folds:
        assert not {*corpus.group[fold.train]} & {*corpus.group[fold.valid]}


def test_test_rows_are_all_predicted(tmp_path: Path, files: list[str]) -> None:
    (tmp_path / "c.csv").write_text("id,prompt,response_a,response_b\n1,x,x,x\n2,[],[],[]\n")
    loaded = FileSource(path=[*files, str(tmp_path / "c.csv")]).load(labelled=False)
    assert len(loaded.ids) == 102
    assert [*loaded.problems] == [100]
    assert loaded.ids[loaded.rows].tolist() == loaded.pairs.ids.tolist()
    assert len(set(loaded.ids)) == 102


def test_sources_of_other_formats_with_and_without_models(tmp_path: Path, files: list[str]) -> None:
    arena(make_pairs(10, seed=5)).assign(winner="tie (bothbad)").to_parquet(tmp_path / "c.parquet")
    loaded = FileSource(path=[files[0], str(tmp_path / "c.parquet")]).load()
    assert [each.format for each in loaded.sources] == ["one_hot", "winner"]
    assert loaded.pairs.model_a is not None
    assert loaded.pairs.model_a[-1] == ""
    ties = loaded.metadata["tie"]
    assert (ties[loaded.metadata["source"] == "c"] == "both bad").all()
    assert ((ties == "tie") == ((loaded.pairs.labels == 2) & (loaded.metadata["source"] == "a"))).all()
    dropped = FileSource(path=[files[0], str(tmp_path / "c.parquet")], both_bad=BothBad.drop).load()
    assert [(each.pairs, each.both_bad) for each in dropped.sources] == [(60, 0), (0, 10)]
    assert len(dropped.pairs) == 60
    with pytest.raises(DataError, match="no pair is left"):
        FileSource(path=str(tmp_path / "c.parquet"), both_bad=BothBad.drop).load()


def test_columns_of_one_source(tmp_path: Path, files: list[str]) -> None:
    frame = pd.read_csv(files[1]).rename(columns={"prompt": "text"})
    frame.to_csv(tmp_path / "d.csv", index=False)
    source = FileSource(path=[files[0], str(tmp_path / "d.csv")], columns={"d": {"prompt": "text"}})
    assert [each.pairs for each in source.load().sources] == [60, 20]


def test_names_and_wrong_settings() -> None:
    assert source_names(["train", "test", "train", "train", "train-2"]) == [
        "train",
        "test",
        "train-2",
        "train-3",
        "train-2-2",
    ]
    with pytest.raises(ConfigError, match=r"data\.path=7"):
        FileSource(path=7)
    for nothing in (None, []):
        with pytest.raises(ConfigError, match=r"data\.path is not set"):
            FileSource(path=nothing).load()


def test_the_commands_take_a_list_of_files(tmp_path: Path, files: list[str]) -> None:
    wsdm(make_pairs(30, seed=7, classes=2)).to_parquet(tmp_path / "wsdm.parquet")
    data = f"data.path=[{files[0]},{tmp_path}/wsdm.parquet]"
    done = prefens("train", data, "backbone=tfidf", "folds.k=2", *QUIET, cwd=tmp_path)
    assert "format one_hot" in done.stderr
    assert "format winner" in done.stderr
    prefens("blend", data, "tracking=none", "resamples=20", cwd=tmp_path)
    frame = wsdm(make_pairs(5, seed=8)).drop(columns="winner").assign(scored=True)
    frame.to_parquet(tmp_path / "test.parquet")
    prefens("predict", f"data.path={tmp_path}/test.parquet", "tracking=none", cwd=tmp_path)
    assert len(pd.read_csv(tmp_path / "submission.csv")) == 5
