"""Who may teach whom: no teacher labels a row that it saw, and nested ones did not see the student's fold either."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from prefens.core.errors import ConfigError, StoreError
from prefens.core.types import Floats
from prefens.ensemble.files.blend_files import read_blend, write_blend
from prefens.ensemble.registry import restore
from prefens.ensemble.stacking import Stacking
from prefens.members.style import StyleMember
from prefens.runner.import_member import import_member
from prefens.runner.teaching.nested import NestedTeachers
from prefens.runner.teaching.teacher import find_teacher
from prefens.runner.teaching.unlabelled import with_unlabelled
from prefens.runner.trainer import Trainer
from prefens.store.external import ExternalMember
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import make_pairs, write_probabilities
from tests.helpers.teachers import K, blend, by_source, corpus_of, soft_labels, train


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
    """Other votes of fold k change what students of other folds learn from, and no bit for those of fold k."""
    corpus = corpus_of(make_pairs(80))
    fold = 2
    labels = corpus.pairs.labels.copy()
    labels[corpus.folds.fold == fold] = (labels[corpus.folds.fold == fold] + 1) % 3
    other = corpus_of(make_pairs(80), replace(corpus.pairs, label=labels))
    soft: dict[str, list[dict[int, Floats]]] = {"oof": [], "nested": []}
    without_votes = make_pairs(9, seed=1).unlabelled()
    for number, each in enumerate((corpus, other)):
        split, specs = train(each, tmp_path / str(number))
        blend(split, specs)
        whole = with_unlabelled(each, without_votes)
        for scheme, labelled in soft.items():
            name = source if source == "blend" else specs[0].name
            labelled.append(dict(soft_labels(whole, split, scheme, name).by_fold))
    scored_elsewhere = np.append(corpus.folds.scored & (corpus.folds.fold != fold), [True] * len(without_votes))
    before, after = soft["nested"]
    assert (before[fold][scored_elsewhere] == after[fold][scored_elsewhere]).all()
    assert np.isnan(before[fold][~scored_elsewhere]).all()
    another = np.flatnonzero(corpus.folds.fold == 1)
    assert (before[0][another] != after[0][another]).any()
    assert (before[0][-len(without_votes) :] != after[0][-len(without_votes) :]).any()
    leaking_before, leaking_after = soft["oof"]  # the same test tells the scheme that is not honest
    assert (leaking_before[fold][scored_elsewhere] != leaking_after[fold][scored_elsewhere]).any()


@pytest.mark.slow
def test_where_folds_are_sources_no_vote_on_a_prompt_of_the_fold_is_used(tmp_path: Path) -> None:
    """Another source has votes on the same prompts; its rows are left out of what is fitted without the fold."""
    sources = np.random.default_rng(1).integers(0, K, 80)
    corpus = by_source(make_pairs(80), sources)
    folds = corpus.folds
    elsewhere = np.isin(folds.group, folds.group[folds.fold == 2]) & (folds.fold != 2)
    assert elsewhere.any()
    label = np.where(elsewhere, (folds.label + 1) % 3, folds.label).astype(np.int8)
    soft = []
    for number, each in enumerate((corpus, by_source(make_pairs(80), sources, label))):
        split, specs = train(each, tmp_path / str(number))
        blend(split, specs, Stacking())
        soft.append(soft_labels(each, split, "nested").by_fold[2])
    labelled = (folds.fold != 2) & ~elsewhere
    assert np.isfinite(soft[0][labelled]).all()
    assert np.isnan(soft[0][~labelled]).all()
    assert np.array_equal(soft[0], soft[1], equal_nan=True)


def test_a_nested_teacher_did_not_see_the_row_either(tmp_path: Path) -> None:
    corpus = corpus_of(make_pairs(80))
    labels = corpus.pairs.labels.copy()
    labels[corpus.folds.fold == 1] = (labels[corpus.folds.fold == 1] + 1) % 3
    other = corpus_of(make_pairs(80), replace(corpus.pairs, label=labels))
    soft = []
    for number, each in enumerate((corpus, other)):
        split, specs = train(each, tmp_path / str(number))
        soft.append(soft_labels(each, split, "nested", specs[0].name).by_fold[3])
    own, another = corpus.folds.fold == 1, corpus.folds.fold == 2
    assert (soft[0][own] == soft[1][own]).all()
    assert (soft[0][another] != soft[1][another]).any()


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
    soft = np.random.default_rng(0).dirichlet(np.ones(3), folds.scored.sum())
    path = write_probabilities(tmp_path / "mine.csv", folds.ids[folds.scored], soft)
    taught = soft_labels(corpus, split, "oof", str(path))
    np.testing.assert_allclose(taught.by_fold[0][folds.scored], soft, atol=1e-12)
    with pytest.raises(ConfigError, match=r"teacher\.scheme=nested .* no models"):
        soft_labels(corpus, split, "nested", str(path))


def test_an_external_member_teaches_as_a_file_does_alone_and_in_a_blend(tmp_path: Path) -> None:
    corpus = corpus_of(make_pairs(80))
    split, specs = train(corpus, tmp_path)
    ids = corpus.folds.ids
    soft = np.random.default_rng(0).dirichlet(np.ones(3), len(ids))
    mine = import_member(split, NoTracker(), ExternalMember.of("mine", ids, soft))
    blend(split, [*specs, mine])
    for source in ("mine", "blend"):
        teacher = find_teacher(split, source, corpus.pairs)
        assert (teacher.holdout is not None, list(teacher.specs)) == (True, [])
        assert np.isfinite(soft_labels(corpus, split, "oof", source).by_fold[0][corpus.folds.scored]).all()
        with pytest.raises(ConfigError, match=r"teacher\.scheme=nested .* no models"):
            soft_labels(corpus, split, "nested", source)
        with pytest.raises(ConfigError, match=r"teacher\.unlabelled .* no models"):
            soft_labels(with_unlabelled(corpus, make_pairs(9, seed=1).unlabelled()), split, "oof", source)


@pytest.mark.parametrize("scheme", ["oof", "nested"])
def test_a_student_of_a_teacher_that_was_tuned_on_these_rows_is_marked_as_tuned(tmp_path: Path, scheme: str) -> None:
    """The teacher's settings know the votes of all folds, and no nested training takes that back."""
    corpus = corpus_of(make_pairs(80))
    split, specs = train(corpus, tmp_path)
    blend(split, specs)
    assert not soft_labels(corpus, split, scheme).tuned_on_oof
    split.mark_tuned(specs[1])
    blend(split, specs)
    taught = replace(corpus, soft_labels=soft_labels(corpus, split, scheme, specs[1].name))
    assert taught.soft_labels is not None
    assert taught.soft_labels.digest == replace(taught.soft_labels, tuned_on_oof=False).digest
    student = replace(specs[0], recipe={**specs[0].recipe, "teacher": taught.soft_labels.recipe()})
    Trainer(taught, split, NoTracker(), tmp_path).train_member(student, lambda: StyleMember("style"), [0])
    assert split.is_tuned(student)
    assert not split.is_tuned(specs[0])


def test_what_predicts_new_rows_is_the_stored_blend_itself(tmp_path: Path) -> None:
    corpus = corpus_of(make_pairs(80))
    split, specs = train(corpus, tmp_path)
    blend(split, specs, Stacking())
    stored = restore(dict(read_blend(split.find_blend()).best.state))
    teacher = find_teacher(split, "blend", corpus.pairs)
    assert teacher.holdout is not None
    assert (teacher.on_holdout() == stored.predict(teacher.holdout.probabilities)).all()
    assert teacher.labels(split)[K].blender.state() == stored.state()


@pytest.mark.parametrize("scheme", ["oof", "nested"])
def test_rules_without_a_fold_have_the_settings_of_the_stored_blend(tmp_path: Path, scheme: str) -> None:
    corpus = corpus_of(make_pairs(80))
    split, specs = train(corpus, tmp_path)
    blend(split, specs, Stacking(ridges=[50.0]))
    teacher = find_teacher(split, "blend", corpus.pairs)
    nested = scheme == "nested"
    labels = (
        teacher.nested_labels(split, NestedTeachers(corpus, split).stacks(specs)) if nested else teacher.labels(split)
    )
    assert {own.blender.state()["ridge"] for own in labels.values()} == {50.0}


def test_a_blend_of_other_pairs_does_not_teach(tmp_path: Path) -> None:
    own, other = (corpus_of(make_pairs(80, seed=seed)) for seed in (0, 1))
    (split, _), (elsewhere, specs) = train(own, tmp_path / "own"), train(other, tmp_path / "other")
    blend(elsewhere, specs)
    split.put_blend(partial(write_blend, read_blend(elsewhere.find_blend())))
    with pytest.raises(StoreError, match=r"blend\.json is of other data or folds"):
        soft_labels(own, split, "oof")
