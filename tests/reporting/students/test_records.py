"""Which distillations of a store still hold: the others are named, and cost the report nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prefens.core.fold_run import FoldPredictions
from prefens.core.types import Folds
from prefens.ensemble.distillation import HELD_OUT, Comparison, Distillation
from prefens.ensemble.files.distillation_file import FILE_NAME, write_distillation
from prefens.reporting.students.records import read_students
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from tests.helpers.examples import folds_of, make_pairs, run_result
from tests.helpers.stores import damage, fill, run_of, spec_of


def uniform(rows: int) -> np.ndarray:
    return np.full((rows, 3), 1 / 3)


def distillation_of(folds: Folds, name: str, content: list[str]) -> Distillation:
    held_out = folds.rows(~folds.scored)
    said = uniform(len(held_out.ids))
    compared = Comparison(HELD_OUT, held_out, said, said)
    return Distillation(name, content, "blend", ["a", "b"], "oof", [compared])


def store_student(root: Path, seed: int = 0) -> tuple[SplitStore, MemberSpec]:
    """Store a student's folds and full fit, and its comparison with a teacher that says the same."""
    folds = folds_of(make_pairs(60), k=3, holdout=0.2)
    split, spec = OOFStore(root).put_folds(folds), spec_of(folds, seed)
    fill(split, folds, spec)
    put_full(split, spec, 1 / 3)
    write_distillation(path_of(split, spec), distillation_of(folds, spec.name, split.contents(spec)), folds)
    return split, spec


def put_full(split: SplitStore, spec: MemberSpec, first: float) -> None:
    held_out = split.folds.ids[~split.folds.scored]
    said = np.tile([first, 1 - first, 0.0], (len(held_out), 1))
    run = FoldPredictions(spec.key(split.k), held_out[:0], uniform(0), held_out, said)
    split.put(spec, run, run_result(), lambda directory: None)


def path_of(split: SplitStore, spec: MemberSpec) -> Path:
    return split.member_dir(spec.name) / FILE_NAME


def test_students_are_read_and_members_without_a_teacher_are_none(tmp_path: Path) -> None:
    split, spec = store_student(tmp_path)
    fill(split, split.folds, spec_of(split.folds, 1))
    records = read_students(split)
    assert [each.student for each in records.distillations] == [spec.name]
    assert records.refused == {}


def train_a_fold_again(split: SplitStore, spec: MemberSpec) -> None:
    run = run_of(split.folds, spec, 1)
    split.put(spec, replace(run, probabilities=uniform(len(run.ids))), run_result(), lambda directory: None)


CHANGES: dict[str, Callable[[SplitStore, MemberSpec], object]] = {
    "a fold trained again": train_a_fold_again,
    "the full fit trained again": lambda split, spec: put_full(split, spec, 0.25),
    "a fold that is gone": lambda split, spec: damage(split.fold_dir(spec.name, 1) / "run.json", "deleted"),
    "a damaged run": lambda split, spec: damage(split.fold_dir(spec.name, 1) / "run.json", "truncated"),
    "a damaged member": lambda split, spec: damage(split.member_dir(spec.name) / "member.json", "{}"),
    "a damaged file": lambda split, spec: damage(path_of(split, spec), "truncated"),
    "another student's file": lambda split, spec: write_distillation(
        path_of(split, spec), distillation_of(split.folds, "other", split.contents(spec)), split.folds
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_stale_or_damaged_is_named_and_left_out(
    tmp_path: Path, change: Callable[[SplitStore, MemberSpec], object]
) -> None:
    split, spec = store_student(tmp_path)
    _, other = store_student(tmp_path, seed=1)
    change(split, spec)
    records = read_students(split)
    assert [each.student for each in records.distillations] == [other.name]
    assert [*records.refused] == [spec.name]
    assert spec.name in records.refused[spec.name]
