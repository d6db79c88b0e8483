"""Data has two outcomes where nothing speaks of ties; then ties are left out and counted, of extra rows too."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefens.core.errors import ConfigError, DataError
from prefens.core.types import Pairs
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings, data_digest
from prefens.data.sources import BothBad, FileSource, SyntheticSource
from tests.helpers.examples import make_pairs, write_csv
from tests.helpers.formats import arena, helpsteer, one_hot, trl, wsdm

TIED, CLEAR = make_pairs(40), make_pairs(40, classes=2)


def parquet(path: Path, frame: pd.DataFrame) -> str:
    frame.to_parquet(path)
    return str(path)


def test_the_data_says_how_many(tmp_path: Path) -> None:
    frames = {
        "winner": (wsdm(CLEAR), 2),
        "a tie": (wsdm(TIED), 3),
        "chosen": (trl(CLEAR), 2),
        "graded": (helpsteer(CLEAR), 3),
        "one-hot": (one_hot(CLEAR), 3),
        "one-hot without winner_tie": (one_hot(CLEAR).drop(columns="winner_tie"), 2),
    }
    found = {}
    for name, (frame, _) in frames.items():
        found[name] = FileSource(path=parquet(tmp_path / "data.parquet", frame)).load().pairs.n_outcomes
    assert found == {name: k for name, (_, k) in frames.items()}


@pytest.mark.parametrize("name", ["winner_tied", "Winner_Tie", "tie", "is_tie"])
def test_ties_in_a_column_of_another_name_are_refused_by_the_column(tmp_path: Path, name: str) -> None:
    path = parquet(tmp_path / "a.parquet", one_hot(TIED).rename(columns={"winner_tie": name}))
    for lenient in (False, True):
        with pytest.raises(DataError, match="no column winner_tie") as caught:
            FileSource(path=path).load(lenient=lenient)
        assert f"'data.columns={{winner_tie: {name}}}'" in caught.value.do
        assert "remove" not in caught.value.do
    assert (FileSource(path=path, columns={"winner_tie": name}).load().pairs.labels == TIED.labels).all()


def test_rows_without_a_winner_may_be_ties(tmp_path: Path) -> None:
    ties = int((TIED.labels == 2).sum())
    lost = parquet(tmp_path / "a.parquet", one_hot(TIED).rename(columns={"winner_tie": "third"}))
    with pytest.raises(DataError, match=rf"no column winner_tie, and {ties} of 40 rows") as caught:
        FileSource(path=lost).load()
    assert "data.columns={winner_tie: COLUMN}" in caught.value.do
    clear = one_hot(CLEAR).rename(columns={"winner_tie": "properties"}).assign(winner="model_a")
    assert FileSource(path=parquet(tmp_path / "b.parquet", clear)).load().pairs.n_outcomes == 2


def test_both_bad_left_out_are_no_ties(tmp_path: Path) -> None:
    frame = arena(CLEAR)
    frame.loc[3, "winner"] = "both_bad"
    path = parquet(tmp_path / "arena.parquet", frame)
    assert FileSource(path=path).load().pairs.n_outcomes == 3
    assert FileSource(path=path, both_bad=BothBad.drop).load().pairs.n_outcomes == 2


def test_ties_are_left_out_and_counted(tmp_path: Path) -> None:
    files = [parquet(tmp_path / "a.parquet", wsdm(TIED)), parquet(tmp_path / "b.parquet", wsdm(make_pairs(30, 1)))]
    loaded = FileSource(path=files, outcomes=2).load()
    ties = [int((pairs.labels == 2).sum()) for pairs in (TIED, make_pairs(30, 1))]
    assert min(ties) > 0
    assert [each.ties for each in loaded.sources] == ties
    assert [each.pairs for each in loaded.sources] == [40 - ties[0], 30 - ties[1]]
    assert len(loaded.pairs) == len(loaded.ids) == len(loaded.metadata["source"]) == 70 - sum(ties)
    assert set(loaded.pairs.labels) == {0, 1}
    only = replace(TIED, label=np.full(40, 2, dtype=np.int8))
    nothing = FileSource(path=parquet(tmp_path / "c.parquet", wsdm(only)), outcomes=2)
    with pytest.raises(DataError, match="ties alone"):
        nothing.load()
    for wrong in (1, 4, True):
        with pytest.raises(ConfigError, match=r"data\.outcomes"):
            FileSource(path="x", outcomes=wrong)


def test_extra_rows_follow_the_scored_ones(tmp_path: Path) -> None:
    extra = str(write_csv(tmp_path / "extra.csv", make_pairs(30, 1)))
    clear = FileSource(path=parquet(tmp_path / "a.parquet", wsdm(CLEAR)), extra=[extra])
    corpus = make_corpus(clear, FoldSettings(k=3))
    assert corpus.folds.n_outcomes == corpus.pairs.n_outcomes == 2
    assert len(corpus.pairs) == 40 + int((make_pairs(30, 1).labels < 2).sum())
    assert corpus.folds.format == "winner"
    tied = FileSource(path=parquet(tmp_path / "b.parquet", wsdm(TIED)), extra=[extra])
    assert len(make_corpus(tied, FoldSettings(k=3)).pairs) == 70


def test_two_and_three_outcomes_are_other_data(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", wsdm(CLEAR))
    two, three = FileSource(path=path).load().pairs, FileSource(path=path, outcomes=3).load().pairs
    assert data_digest(three) == data_digest(CLEAR) != data_digest(two)
    assert two.take(np.arange(3)).n_outcomes == two.swapped().n_outcomes == 2
    assert Pairs.concatenate([two, two]).n_outcomes == 2


def test_synthetic_pairs_keep_the_truth_of_their_labels() -> None:
    pairs = SyntheticSource(rows=300, outcomes=2).load().pairs
    assert pairs.truth is not None
    assert pairs.truth.shape == (len(pairs), 2, 2)
    np.testing.assert_allclose(pairs.truth.sum(axis=2), 1.0)
    assert len(pairs) < 300
    share = pairs.truth[:, 0, 0].mean()
    assert abs((pairs.labels == 0).mean() - share) < 0.1
