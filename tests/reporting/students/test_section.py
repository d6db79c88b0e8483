"""The section on students says what the comparisons hold; names and texts are untrusted."""

from dataclasses import replace

import numpy as np
import pytest

from prefens.core.types import Folds, Pairs
from prefens.ensemble.distillation import HELD_OUT, OUT_OF_FOLD, Comparison, Cost, Distillation, most_different
from prefens.reporting.html import Page, render_page
from prefens.reporting.students.records import StudentRecords
from prefens.reporting.students.section import MAX_CHARS, MAX_DETAILED, MAX_PAIRS, students_section
from tests.helpers.examples import column, folds_of, make_pairs
from tests.helpers.pages import HOSTILE, Elements, check_section

PAIRS = make_pairs(80)


def distillation_of(folds: Folds, seed: int = 0, name: str = "tfidf-1-s0", costs: bool = True) -> Distillation:
    generator = np.random.default_rng(seed)

    def compared(kind: str, rows: np.ndarray) -> Comparison:
        both = generator.dirichlet(np.ones(folds.n_outcomes), size=(2, rows.sum()))
        return Comparison(kind, folds.rows(rows), *both)

    comparisons = [compared(OUT_OF_FOLD, folds.scored), compared(HELD_OUT, ~folds.scored)]
    own = (Cost(1, 0.5, 2.0, 20), Cost(15, 7.5, 10.0, 20)) if costs else (None, None)
    return Distillation(name, [], "blend", ["a", "b", "c"], "nested", comparisons, *own)


def made(pairs: Pairs = PAIRS) -> Folds:
    return folds_of(pairs, k=3, holdout=0.2)


def test_numbers_and_pairs_are_those_of_the_comparisons() -> None:
    folds = made()
    own = distillation_of(folds)
    section = students_section(StudentRecords([own]), PAIRS)
    assert section is not None
    check_section(section)
    losses, costs, pairs = section.tables
    first, second = losses.rows
    for row, compared in zip((first, second), own.comparisons, strict=True):
        student, teacher = compared.scores
        assert (row["rows"], row["pairs"]) == (compared.rows, len(compared.folds.ids))
        assert (row["loss"], row["teacher's loss"]) == (student.log_loss, teacher.log_loss)
        assert row["difference"] == compared.difference()
    assert [(row["models"], row["seconds"]) for row in costs.rows] == [(1, 2.0), (15, 10.0)]
    assert "1 model (0.5 MB) in place of 15 models (7.5 MB), and 5.0 x the speed" in section.summary[1]
    shown = most_different(own.comparisons[0], MAX_PAIRS)
    assert [row["id"] for row in pairs.rows] == own.comparisons[0].folds.ids[shown].tolist()
    votes = dict(zip(PAIRS.ids, PAIRS.labels, strict=True))
    for row in pairs.rows:
        assert row["vote"] == ("A wins", "B wins", "tie")[votes[row["id"]]]
        assert max(len(row[name]) for name in ("prompt", "response A", "response B")) <= MAX_CHARS
    assert f"{100 * own.comparisons[0].scores[0].calibration_error:.1f} points" in section.plots[0].finding


def test_without_texts_or_costs_their_tables_are_left_out() -> None:
    section = students_section(StudentRecords([distillation_of(made(), costs=False)]), None)
    assert section is not None
    check_section(section)
    assert [table.title for table in section.tables] == ["Student and teacher"]


def test_nothing_to_show_is_no_section_and_what_is_refused_is_said() -> None:
    assert students_section(StudentRecords()) is None
    section = students_section(StudentRecords([], {"tfidf-1-s0": f"runs/x: damaged {HOSTILE}"}))
    assert section is not None
    check_section(section)
    assert "runs/x: damaged" in section.summary[1]
    assert len(Elements(render_page(Page("t", "s", [section]))).of("script")) == 1


def test_figures_and_pairs_of_the_best_students_alone() -> None:
    folds = made()
    every = [distillation_of(folds, seed, f"tfidf-{seed}-s0") for seed in range(MAX_DETAILED + 2)]
    section = students_section(StudentRecords(every), PAIRS)
    assert section is not None
    best = sorted(every, key=lambda each: each.comparisons[-1].scores[0].log_loss)[:MAX_DETAILED]
    assert [plot.name for plot in section.plots] == [f"student-{each.student}" for each in best]
    assert len(section.tables) == 2 + MAX_DETAILED
    assert f"{MAX_DETAILED} of {MAX_DETAILED + 2} students" in section.summary[2]


@pytest.mark.parametrize("outcomes", [2, 3])
def test_names_and_texts_are_escaped(outcomes: int) -> None:
    pairs = make_pairs(40, classes=outcomes)
    pairs = replace(pairs, n_outcomes=outcomes, prompt=column([(f"{row} {HOSTILE}\x1b",) for row in range(40)]))
    own = replace(distillation_of(made(pairs)), source=HOSTILE, scheme=HOSTILE)
    section = students_section(StudentRecords([own]), pairs)
    assert section is not None
    check_section(section)
    page = render_page(Page("t", "s", [section]))
    assert len(Elements(page).of("script")) == 1
    assert "\x1b" not in page
