"""Stacks of members: joined by id, and refused by the name of the member that does not fit."""

from pathlib import Path

import numpy as np
import pytest

from prefens.core.errors import StoreError
from prefens.core.fold_run import FoldPredictions
from prefens.core.types import Folds, Pairs
from prefens.store.assemble import make_stack
from prefens.store.split_store import SplitStore
from tests.helpers.examples import folds_of
from tests.helpers.stores import fill, run_of, spec_of


def test_stack_joins_by_id(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    runs = fill(split, folds, spec)
    shuffled = []
    for run in runs:
        order = np.random.default_rng(1).permutation(len(run.ids))
        shuffled.append(
            FoldPredictions(
                run.key, run.ids[order], run.probabilities[order], run.holdout_ids, run.holdout_probabilities
            )
        )
    first, first_holdout = make_stack(folds, {spec.info: runs})
    second, _ = make_stack(folds, {spec.info: shuffled})
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    by_id = {id_: row for run in runs for id_, row in zip(run.ids, run.probabilities, strict=True)}
    for id_, row in zip(first.folds.ids, first.probabilities[0], strict=True):
        np.testing.assert_array_equal(row, by_id[id_])
    if first_holdout is not None:
        expected = np.mean([run.holdout_probabilities for run in runs], axis=0)
        np.testing.assert_allclose(first_holdout.probabilities[0], expected)


def damaged(run: FoldPredictions, **changes: object) -> FoldPredictions:
    fields = {**vars(run), **changes}
    return FoldPredictions(**fields)


def test_stack_refusals_name_the_member(split: SplitStore, folds: Folds) -> None:
    spec = spec_of(folds)
    runs = fill(split, folds, spec)
    first = runs[0]
    bad_row = first.probabilities.copy()
    cases = {
        "folds \\[0, 1, 2, 3\\]": runs[:-1],
        "folds \\[0, 1, 2, 3, 3\\]": [*runs[:-1], runs[3]],
        "1 of .* missing": [damaged(first, ids=first.ids[1:], probabilities=first.probabilities[1:]), *runs[1:]],
        "fold 0: 2 outcomes": [damaged(first, probabilities=first.probabilities[:, :2]), *runs[1:]],
        "1 id repeated": [damaged(first, ids=np.append(first.ids[1:], first.ids[1])), *runs[1:]],
    }
    for value in (np.nan, -0.1, 2.0):
        changed = bad_row.copy()
        changed[3, 0] = value
        cases[f"1 row such as id {first.ids[3]}.*{str(value)[:3]}"] = [
            damaged(first, probabilities=changed),
            *runs[1:],
        ]
    for message, given in cases.items():
        with pytest.raises(StoreError, match=f"member {spec.name}.*{message}"):
            make_stack(folds, {spec.info: given})
    with pytest.raises(StoreError, match="no complete member"):
        make_stack(folds, {})


def test_stack_refuses_other_folds(tmp_path: Path, pairs: Pairs) -> None:
    ours, other = folds_of(pairs), folds_of(pairs, seed=1)
    spec = spec_of(other)
    runs = [run_of(other, spec, fold) for fold in range(other.k)]
    with pytest.raises(StoreError, match=f"member {spec.name}, fold 0: .*folds {other.digest[:12]}"):
        make_stack(ours, {spec.info: runs})
