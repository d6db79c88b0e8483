"""Runs of teachers without two folds: made once, checked when they are read, and only of the same recipe and rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from prefens.core.errors import ConfigError, StoreError
from prefens.core.files import write_json
from prefens.core.hashing import file_digest
from prefens.members.style import StyleMember
from prefens.runner.teaching.nested import NestedTeachers, rebuild
from prefens.store.oof_store import OOFStore
from prefens.store.parquet import read_table, write_table
from prefens.store.run_record import RunResult
from tests.helpers.examples import make_pairs
from tests.helpers.stores import damage
from tests.helpers.teachers import STRENGTHS, K, by_source, corpus_of, train


def test_one_run_serves_two_folds_and_is_never_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = corpus_of(make_pairs(80))
    split, specs = train(corpus, tmp_path)
    teachers = NestedTeachers(corpus, split)
    first = teachers.stacks(specs)
    folders = sorted((split.member_dir(specs[0].name) / "nested").iterdir())
    assert [folder.name for folder in folders] == [f"fold-{a}-{b}" for a in range(K) for b in range(a + 1, K)]
    fitted: list[int] = []
    real = StyleMember.fit
    monkeypatch.setattr(StyleMember, "fit", lambda self, *rest: (fitted.append(1), real(self, *rest))[1])
    checkpoint = tmp_path / "checkpoints" / f"{replace(specs[0].key(0), second=1).digest[:16]}.pt"
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.touch()  # of a process that was killed after it had stored the run
    again = teachers.stacks(specs)
    assert not fitted
    assert not checkpoint.exists()
    assert all((first[fold].probabilities == again[fold].probabilities).all() for fold in range(K))
    damage(folders[0] / "predictions.parquet", "flipped")
    healed = teachers.stacks(specs)
    assert len(fitted) == 1
    assert "training it again" in caplog.text
    assert all((first[fold].probabilities == healed[fold].probabilities).all() for fold in range(K))


def test_a_nested_run_of_a_stranger_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whole files with the right key, but with other rows, with no probabilities, or with texts in their place."""
    corpus = corpus_of(make_pairs(80))
    split, specs = train(corpus, tmp_path)
    teachers = NestedTeachers(corpus, split)
    first = teachers.stacks(specs[:1])
    folder = split.nested_dir(specs[0].name, (0, 1))
    path, record = folder / "predictions.parquet", json.loads((folder / "run.json").read_text())
    table, metadata = read_table(path, "")
    for place, column in ((0, table["id"].to_pylist()[::-1]), (2, [-1.0] * len(table)), (2, ["a"] * len(table))):
        write_table(path, table.set_column(place, table.column_names[place], pa.array(column)), metadata)
        file = {"size": path.stat().st_size, "sha256": file_digest(path)}
        write_json(folder / "run.json", record | {"files": {path.name: file}})
        caplog.clear()
        healed = teachers.stacks(specs[:1])
        assert "training it again" in caplog.text
        assert all((first[fold].probabilities == healed[fold].probabilities).all() for fold in range(K))


def test_nested_runs_have_the_extra_rows_that_the_teacher_learned_from(tmp_path: Path) -> None:
    """A run without them has the same key; it would teach all later students."""
    corpus = corpus_of(make_pairs(80))
    split, specs = train(corpus, tmp_path)
    with pytest.raises(ConfigError, match=r"trained with other extra rows"):
        NestedTeachers(replace(corpus, extra_digest="e" * 64), split).stacks(specs)
    assert not (split.member_dir(specs[0].name) / "nested").exists()


def test_two_sources_without_which_nothing_is_left_are_refused(tmp_path: Path) -> None:
    corpus = by_source(make_pairs(80), np.arange(80) % K)
    group = np.where(corpus.folds.fold >= 2, corpus.folds.group[corpus.folds.fold < 2][0], corpus.group)
    corpus = replace(corpus, group=group, folds=replace(corpus.folds, group=group))
    teachers = NestedTeachers(corpus, OOFStore(tmp_path).put_folds(corpus.folds))
    with pytest.raises(ConfigError, match=r"nothing is left to train on without folds 0 and 1"):
        teachers.check()


def test_a_stored_member_is_built_again_with_its_own_settings_or_not_at_all(tmp_path: Path) -> None:
    corpus = corpus_of(make_pairs(80))
    split, specs = train(corpus, tmp_path)
    member = rebuild(split, specs[0])
    assert isinstance(member, StyleMember)
    assert member.strengths == STRENGTHS[0]
    other = replace(specs[0], recipe={**specs[0].recipe, "rounds": 7})
    folder = split.member_dir(specs[0].name)
    split.put_member(other)
    for fold in range(K):
        run = split.predictions(specs[0], fold)
        own = replace(run, key=other.key(fold))
        record = split.record(specs[0], fold)
        result = {name: getattr(record, name) for name in ("log_loss", "accuracy", "seconds", "valid_rows")}
        split.put(other, own, RunResult(**result), lambda directory: _copy(folder / "fold-0" / "model", directory))
    with pytest.raises(StoreError, match=r"another recipe .*rounds"):
        rebuild(split, other)


def _copy(source: Path, directory: Path) -> None:
    for path in source.iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
