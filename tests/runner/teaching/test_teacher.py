"""Who may teach whom: no teacher labels a row that it saw, and nested ones did not see the student's fold either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from prefens.core.errors import ConfigError, StoreError
from prefens.core.teaching import SoftLabels
from prefens.core.teaching.soft_labels import TeacherScheme
from prefens.core.types import Floats, Pairs
from prefens.data.corpus import Corpus
from prefens.data.folds import prompt_groups
from prefens.ensemble.blend import make_blend
from prefens.ensemble.files.blend_files import write_blend
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.registry import method
from prefens.members.base import Member
from prefens.members.style import StyleMember
from prefens.runner.builders import recipe_of
from prefens.runner.teaching.nested import NestedTeachers, rebuild
from prefens.runner.teaching.settings import TeacherConfig
from prefens.runner.teaching.student import make_soft_labels
from prefens.runner.teaching.unlabelled import with_unlabelled
from prefens.runner.trainer import Trainer
from prefens.store.assemble import make_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.run_record import RunResult
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import folds_of, make_pairs, write_probabilities
from tests.helpers.stores import damage

K = 4
STRENGTHS = ([0.01, 0.1], [1.0])


def corpus_of(pairs: Pairs, labels: Pairs | None = None, holdout: float = 0.2) -> Corpus:
    """Return pairs with their folds; with the votes of `labels` in the places of their own, on the same folds."""
    folds = folds_of(pairs, k=K, holdout=holdout)
    order = np.argsort(pairs.ids)
    pairs = pairs.take(order)
    if labels is not None:
        folds, pairs = replace(folds, label=labels.labels), replace(pairs, label=labels.labels)
    return Corpus(pairs, folds, prompt_groups(pairs), None)


def train(corpus: Corpus, root: Path) -> tuple[SplitStore, list[MemberSpec]]:
    """Train two style members and blend them."""
    split = OOFStore(root).put_folds(corpus.folds)
    trainer, specs = Trainer(corpus, split, NoTracker(), root), []
    for strengths in STRENGTHS:
        make: partial[Member] = partial(StyleMember, "style", strengths=strengths)
        member = make()
        recipe = recipe_of(member) | member.identity()
        specs.append(MemberSpec("style", "style", recipe, 0, corpus.folds.data_digest, corpus.folds.digest))
        trainer.train_member(specs[-1], make, range(K))
    return split, specs


def blend(split: SplitStore, specs: Sequence[MemberSpec]) -> None:
    runs = {spec.info: [split.predictions(spec, fold) for fold in range(K)] for spec in specs}
    inputs = BlendInputs(split.folds, *make_stack(split.folds, runs), split, specs)
    made = make_blend(inputs, [method("soft_vote")(), method("log_pool")()], (), 20)
    split.put_blend(partial(write_blend, made))


def soft_labels(corpus: Corpus, split: SplitStore, scheme: str, source: str = "blend") -> SoftLabels:
    return make_soft_labels(corpus, split, TeacherConfig(scheme=TeacherScheme[scheme], source=source))


def test_a_teacher_says_of_each_row_what_it_said_out_of_fold(tmp_path: Path) -> None:
    corpus = corpus_of(make_pairs(80))
    split, specs = train(corpus, tmp_path)
    taught = soft_labels(corpus, split, "oof", specs[0].name)
    for fold in range(K):
        own = split.predictions(specs[0], fold)
        for probabilities in taught.by_fold.values():
            assert (probabilities[corpus.folds.fold == fold] == own.probabilities).all()
    assert sorted(taught.by_fold) == [*range(K + 1)]
    held_out = ~corpus.folds.scored
    assert held_out.any()
    assert np.isnan(taught.by_fold[0][held_out]).all()


@pytest.mark.parametrize("source", ["blend", "member"])
def test_nested_teachers_never_saw_the_fold_that_the_student_is_scored_on(tmp_path: Path, source: str) -> None:
    """Other votes of fold k change what is said to students of other folds, and no bit of what those of fold k hear."""
    corpus = corpus_of(make_pairs(80))
    fold = 2
    labels = corpus.pairs.labels.copy()
    labels[corpus.folds.fold == fold] = (labels[corpus.folds.fold == fold] + 1) % 3
    other = corpus_of(make_pairs(80), replace(corpus.pairs, label=labels))
    said: dict[str, list[dict[int, Floats]]] = {"oof": [], "nested": []}
    without_votes = make_pairs(9, seed=1).unlabelled()
    for number, each in enumerate((corpus, other)):
        split, specs = train(each, tmp_path / str(number))
        blend(split, specs)
        whole = with_unlabelled(each, without_votes)
        for scheme, heard in said.items():
            name = source if source == "blend" else specs[0].name
            heard.append(dict(soft_labels(whole, split, scheme, name).by_fold))
    scored_elsewhere = np.append(corpus.folds.scored & (corpus.folds.fold != fold), [True] * len(without_votes))
    before, after = said["nested"]
    assert (before[fold][scored_elsewhere] == after[fold][scored_elsewhere]).all()
    assert np.isnan(before[fold][~scored_elsewhere]).all()
    another = np.flatnonzero(corpus.folds.fold == 1)
    assert (before[0][another] != after[0][another]).any()
    assert (before[0][-len(without_votes) :] != after[0][-len(without_votes) :]).any()
    leaking_before, leaking_after = said["oof"]  # the same test tells the scheme that is not honest
    assert (leaking_before[fold][scored_elsewhere] != leaking_after[fold][scored_elsewhere]).any()


def test_a_nested_teacher_did_not_see_the_row_either(tmp_path: Path) -> None:
    corpus = corpus_of(make_pairs(80))
    labels = corpus.pairs.labels.copy()
    labels[corpus.folds.fold == 1] = (labels[corpus.folds.fold == 1] + 1) % 3
    other = corpus_of(make_pairs(80), replace(corpus.pairs, label=labels))
    said = []
    for number, each in enumerate((corpus, other)):
        split, specs = train(each, tmp_path / str(number))
        said.append(soft_labels(each, split, "nested", specs[0].name).by_fold[3])
    own, another = corpus.folds.fold == 1, corpus.folds.fold == 2
    assert (said[0][own] == said[1][own]).all()
    assert (said[0][another] != said[1][another]).any()


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
    again = teachers.stacks(specs)
    assert not fitted
    assert all((first[fold].probabilities == again[fold].probabilities).all() for fold in range(K))
    damage(folders[0] / "predictions.parquet", "flipped")
    healed = teachers.stacks(specs)
    assert len(fitted) == 1
    assert "training it again" in caplog.text
    assert all((first[fold].probabilities == healed[fold].probabilities).all() for fold in range(K))


def test_students_and_what_is_not_complete_never_teach(tmp_path: Path) -> None:
    corpus = corpus_of(make_pairs(80))
    split, specs = train(corpus, tmp_path)
    with pytest.raises(ConfigError, match=r"blend, a file .* or a member among style-"):
        soft_labels(corpus, split, "oof", "nobody")
    with pytest.raises(StoreError, match="no blend"):
        soft_labels(corpus, split, "oof")
    student = replace(specs[0], recipe={**specs[0].recipe, "teacher": {"scheme": "oof"}})
    split.put_member(student)
    with pytest.raises(StoreError, match="learned from a teacher itself"):
        soft_labels(corpus, split, "oof", student.name)
    incomplete = replace(specs[0], seed=9)
    split.put_member(incomplete)
    with pytest.raises(StoreError, match=r"lacks folds \[0, 1, 2, 3\]"):
        soft_labels(corpus, split, "oof", incomplete.name)


def test_a_file_teaches_under_oof_alone(tmp_path: Path) -> None:
    corpus = corpus_of(make_pairs(80))
    split, _ = train(corpus, tmp_path)
    folds = corpus.folds
    said = np.random.default_rng(0).dirichlet(np.ones(3), folds.scored.sum())
    path = write_probabilities(tmp_path / "mine.csv", folds.ids[folds.scored], said)
    taught = soft_labels(corpus, split, "oof", str(path))
    np.testing.assert_allclose(taught.by_fold[0][folds.scored], said, atol=1e-12)
    with pytest.raises(ConfigError, match=r"teacher\.scheme=nested .* no models"):
        soft_labels(corpus, split, "nested", str(path))


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
