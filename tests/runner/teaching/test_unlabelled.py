"""Pairs without votes: read once from files of any kind, and trained on only where their prompt is not predicted."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from prefens.core.errors import ConfigError, DataError
from prefens.core.teaching import SoftLabels, TeacherSettings
from prefens.core.types import Fold, Pairs
from prefens.data.corpus import Corpus, make_corpus
from prefens.data.folds import FoldSettings, prompt_groups
from prefens.data.sources import FileSource, SyntheticSource
from prefens.runner.schemas import RecipeConfig
from prefens.runner.teaching.unlabelled import (
    NO_VOTE,
    load_unlabelled,
    read_unlabelled,
    unlabelled_digest,
    with_unlabelled,
)
from tests.helpers.examples import make_pairs, write_csv

SOURCE = FileSource()


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """80 labelled pairs, 20 of them held out, and 30 extra ones."""
    write_csv(tmp_path / "train.csv", make_pairs(80))
    extra = str(write_csv(tmp_path / "extra.csv", make_pairs(30, seed=4)))
    return make_corpus(FileSource(path=str(tmp_path / "train.csv"), extra=extra), FoldSettings(k=3, holdout=0.25))


def write(path: Path, pairs: Pairs, labelled: bool = True) -> str:
    return str(write_csv(path, pairs, labelled))


def test_the_order_of_files_and_rows_changes_nothing(tmp_path: Path, corpus: Corpus) -> None:
    one, two = make_pairs(20, seed=5), make_pairs(10, seed=6)  # with equal ids
    files = [write(tmp_path / "one.csv", one), write(tmp_path / "two.csv", two, labelled=False)]
    moved = [write(tmp_path / "a.csv", two), write(tmp_path / "z.csv", one.take(np.arange(20)[::-1]))]
    read, again = (read_unlabelled(SOURCE, each, corpus) for each in (files, moved))
    assert len(read) == 30 == len({*read.ids})
    assert not {*read.ids} & {*corpus.pairs.ids}
    assert (read.ids == again.ids).all()
    assert (read.response_a == again.response_a).all()
    assert read.label is None
    assert unlabelled_digest(read) == unlabelled_digest(again)
    assert unlabelled_digest(read.take(np.arange(29))) != unlabelled_digest(read) != unlabelled_digest(read.swapped())
    assert len(read_unlabelled(SyntheticSource(), files, corpus)) == 30


def test_what_is_malformed_or_known_is_left_out(
    tmp_path: Path, corpus: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    new = make_pairs(4, seed=5)
    known = corpus.pairs.take(np.array([0, 100]))  # one that is scored or held out, and an extra one
    known = replace(known, ids=np.array(["x", "y"], dtype=object))
    rows = Pairs.concatenate([new.unlabelled(), known.unlabelled()])
    file = Path(write(tmp_path / "new.csv", rows, labelled=False))
    text = file.read_text("utf-8").splitlines()
    file.write_text("\n".join([*text, 'broken,"[",x,y']), "utf-8")
    chosen = [{"prompt": p[0], "chosen": b[0], "rejected": a[0]} for p, a, b in zip(*texts_of(new), strict=True)]
    other = tmp_path / "chosen.jsonl"  # the same pairs, some of them with A and B exchanged
    other.write_text("\n".join(map(json.dumps, chosen)), "utf-8")
    read = read_unlabelled(SOURCE, [str(file), str(other)], corpus)
    assert {*map(frozenset, zip(read.response_a, read.response_b, strict=True))} == {
        *map(frozenset, zip(new.response_a, new.response_b, strict=True))
    }
    assert "4 pairs without votes; left out: 1 malformed row, 2 pairs that the labelled" in caplog.text
    assert "4 that a row before has" in caplog.text
    assert "such as broken: " in caplog.text


def texts_of(pairs: Pairs) -> tuple[list[tuple[str, ...]], ...]:
    return [*pairs.prompt], [*pairs.response_a], [*pairs.response_b]


def test_files_without_new_pairs_are_refused(tmp_path: Path, corpus: Corpus) -> None:
    known = replace(corpus.pairs.swapped(), ids=np.arange(110).astype(str).astype(object))
    swapped = write(tmp_path / "swapped.csv", known, labelled=False)
    with pytest.raises(DataError, match=r"no pair is left, after 0 malformed rows, 110 pairs"):
        read_unlabelled(SOURCE, [swapped], corpus)
    with pytest.raises(DataError, match="no such file"):
        read_unlabelled(SOURCE, ["absent.csv"], corpus)
    with pytest.raises(ConfigError, match=r"teacher\.unlabelled"):
        read_unlabelled(SOURCE, [], corpus)


def test_jobs_of_one_process_share_what_is_read(tmp_path: Path, corpus: Corpus) -> None:
    file = write(tmp_path / "new.csv", make_pairs(5, seed=5))
    settings = RecipeConfig(data=OmegaConf.create({"_target_": "prefens.data.sources.FileSource"}))
    pairs = load_unlabelled(settings, file, corpus)
    assert load_unlabelled(settings, [file], corpus) is pairs
    assert len(pairs) == 5
    with pytest.raises(ConfigError, match=r"teacher\.unlabelled=FILE"):
        load_unlabelled(settings, 7, corpus)


def test_pairs_are_learned_from_where_their_prompt_is_not_predicted(tmp_path: Path, corpus: Corpus) -> None:
    pairs = read_unlabelled(SOURCE, [write(tmp_path / "new.csv", make_pairs(90, seed=5))], corpus)  # the same questions
    whole = with_unlabelled(corpus, pairs)
    assert with_unlabelled(corpus, pairs) is whole  # so that their features are shared
    assert (whole.group == prompt_groups(whole.pairs)).all()
    assert (whole.pairs.labels[110:] == NO_VOTE).all()
    assert whole.folds is corpus.folds
    unsure, sure = np.full((45, 3), 1 / 3), np.tile([0.1, 0.8, 0.1], (45, 1))
    by_fold = dict.fromkeys(range(4), np.concatenate([np.full((110, 3), np.nan), unsure, sure]))
    everything = Fold(3, np.flatnonzero(corpus.folds.scored), np.arange(0), corpus.folds.split(0).holdout)
    for floor, first in ((0.0, 110), (0.5, 155)):
        labels = SoftLabels(by_fold, 110, TeacherSettings(min_confidence=floor), unlabelled_digest(pairs))
        student = replace(whole, soft_labels=labels)
        for fold in (*corpus.folds, everything):
            rows = student.train_rows(fold)
            predicted = {*whole.group[np.concatenate([fold.valid, fold.holdout])]}
            expected = [row for row in range(first, 200) if whole.group[row] not in predicted]
            assert rows[rows >= 110].tolist() == expected != []
            assert rows[rows < 110].tolist() == corpus.train_rows(fold).tolist()
            train, targets = student.training_pairs(fold, rows)
            assert targets is not None
            assert (train.labels[rows >= 155] == 1).all()
            assert targets.voted.tolist() == (rows < 110).tolist()
