"""The corpus: extra rows are trained on where their prompt is not held out, in an order of their own."""

from pathlib import Path

import numpy as np
import pytest

from prefens.core.errors import ConfigError
from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from tests.helpers.examples import make_pairs, write_csv


def test_the_order_of_files_and_rows_changes_nothing(tmp_path: Path, generator: np.random.Generator) -> None:
    pairs, extra = make_pairs(60), make_pairs(30, seed=4)
    write_csv(tmp_path / "train.csv", pairs)
    write_csv(tmp_path / "shuffled.csv", pairs.take(generator.permutation(60)))
    write_csv(tmp_path / "x.csv", extra.take(np.arange(10)))
    write_csv(tmp_path / "y.csv", extra.take(np.arange(29, 9, -1)))
    one, two = (
        make_corpus(
            FileSource(path=str(tmp_path / name), extra=[str(tmp_path / each) for each in files]), FoldSettings()
        )
        for name, files in (("train.csv", ("x.csv", "y.csv")), ("shuffled.csv", ("y.csv", "x.csv")))
    )
    assert (one.pairs.ids == two.pairs.ids).all()
    assert (one.pairs.response_a == two.pairs.response_a).all()
    assert one.extra_digest == two.extra_digest
    assert one.folds.digest == two.folds.digest


def test_one_extra_file_needs_no_list(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", make_pairs(60))
    extra = str(write_csv(tmp_path / "extra.csv", make_pairs(30, seed=4)))
    found = [
        make_corpus(FileSource(path=str(tmp_path / "train.csv"), extra=given), FoldSettings())
        for given in (extra, [extra])
    ]
    assert found[0].extra_digest == found[1].extra_digest is not None
    assert FileSource(extra=None).extra == []
    for wrong in (7, [7], {"a": extra}):
        with pytest.raises(ConfigError, match=r"data\.extra=FILE"):
            FileSource(extra=wrong)


def test_held_out_prompts_are_in_no_training_row(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", make_pairs(80))
    write_csv(tmp_path / "extra.csv", make_pairs(80, seed=4))  # the same questions, other answers
    source = FileSource(path=str(tmp_path / "train.csv"), extra=[str(tmp_path / "extra.csv")])
    corpus = make_corpus(source, FoldSettings(holdout=0.2))
    for fold in corpus.folds:
        rows = corpus.train_rows(fold)
        unseen = np.concatenate([fold.valid, fold.holdout])
        assert (rows >= 80).any()
        assert set(corpus.group[rows]) & set(corpus.group[unseen]) == set()
        inner = corpus.inner_folds(rows, corpus.pairs.labels[rows], 0)
        for index in range(5):
            assert set(corpus.group[rows[inner == index]]) & set(corpus.group[rows[inner != index]]) == set()
