"""Student and teacher side by side: what can't be measured is left out, and takes nothing else with it."""

from pathlib import Path

import numpy as np
import pytest

from prefens.runner.import_member import import_member
from prefens.runner.teaching.comparison import compare_with_teacher
from prefens.runner.teaching.settings import TeacherConfig
from prefens.store.external import ExternalMember
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import make_pairs, run_result
from tests.helpers.teachers import K, blend, corpus_of, train


def test_what_models_that_are_not_stored_cost_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The comparison is the end of a training that may have taken days."""
    corpus = corpus_of(make_pairs(80))
    split, (student, teacher) = train(corpus, tmp_path)
    said = np.random.default_rng(0).dirichlet(np.ones(3), len(corpus.folds.ids))
    mine = import_member(split, NoTracker(), ExternalMember.of("mine", corpus.folds.ids, said))
    blend(split, [teacher, mine])
    for source in ("mine", "blend", teacher.name):
        compared = compare_with_teacher(corpus, split, student, TeacherConfig(source=source), cost_pairs=4)
        assert [each.rows for each in compared.comparisons] == ["hold-out"]
        assert compared.student_cost is not None
        assert compared.student_cost.models == K
        assert (compared.teacher_cost is not None) == (source == teacher.name)
    for fold in range(K):
        run = split.predictions(teacher, fold)
        split.put(teacher, run, run_result(), lambda directory: None)  # as training.save=none does
    compared = compare_with_teacher(corpus, split, student, TeacherConfig(source=teacher.name), cost_pairs=4)
    assert compared.comparisons
    assert compared.teacher_cost is None
    assert "no stored model" in caplog.text
