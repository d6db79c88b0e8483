"""Folds: no shared prompt crosses them, outcomes are balanced, and the order of the rows is irrelevant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefens.core.errors import ConfigError
from prefens.core.metrics import outcome_counts
from prefens.core.types import HOLDOUT, Pairs
from prefens.data.folds import FoldSettings, Scheme, assign, data_digest, make_folds, prompt_groups
from tests.helpers.examples import column, make_pairs


@given(st.integers(0, 10_000), st.integers(40, 120), st.integers(2, 6), st.sampled_from([0.0, 0.2, 0.4]))
def test_every_row_has_one_fold_and_no_group_has_two(seed: int, count: int, k: int, holdout: float) -> None:
    pairs = make_pairs(count, seed)
    folds = make_folds(pairs, FoldSettings(k=k, seed=seed, holdout=holdout))
    assert set(folds.fold.tolist()) <= {HOLDOUT, *range(folds.k)}
    for group in set(folds.group):
        assert len(set(folds.fold[folds.group == group].tolist())) == 1
    valid = np.concatenate([fold.valid for fold in folds])
    assert sorted(valid.tolist()) == np.flatnonzero(folds.scored).tolist()
    for fold in folds:
        together = np.concatenate([fold.train, fold.valid, fold.holdout])
        assert sorted(together.tolist()) == list(range(count))


def test_outcomes_are_balanced() -> None:
    pairs = make_pairs(2000)
    folds = make_folds(pairs, FoldSettings(holdout=0.1))
    table = np.array([np.bincount(pairs.labels[folds.fold == fold], minlength=3) for fold in range(5)])
    assert (table.max(axis=0) - table.min(axis=0) <= 2).all()
    expected = 0.1 * np.bincount(pairs.labels)
    assert np.abs(np.bincount(pairs.labels[~folds.scored]) - expected).max() <= 2


def test_order_of_rows_changes_nothing(generator: np.random.Generator) -> None:
    pairs = make_pairs(100)
    shuffled = pairs.take(generator.permutation(100))
    first, second = make_folds(pairs, FoldSettings()), make_folds(shuffled, FoldSettings())
    assert first.data_digest == second.data_digest
    assert dict(zip(first.ids, first.fold, strict=True)) == dict(zip(second.ids, second.fold, strict=True))


def test_seed_and_settings_change_the_digest() -> None:
    pairs = make_pairs(100)
    settings = [FoldSettings(), FoldSettings(seed=1), FoldSettings(k=4), FoldSettings(scheme=Scheme.stratified)]
    assert len({make_folds(pairs, each).digest for each in settings}) == len(settings)


def test_assignment_is_the_same_on_every_machine() -> None:
    label = np.array([0, 1, 2] * 6, dtype=np.int8)
    unit = column([f"g{row // 2 if row < 8 else row}" for row in range(18)])
    assert assign(label, unit, np.full(3, 1 / 3), 0).tolist() == PINNED


PINNED = [1, 1, 0, 0, 2, 2, 0, 0, 0, 1, 2, 1, 2, 1, 2, 2, 0, 1]


def test_near_identical_prompts_share_a_group() -> None:
    prompts = [
        "Write a POEM, please!",
        "write a poem please",
        "Ｗrite a  poem -- please",
        "Write a story",
        "???",
        "!!!",
        "",
    ]
    pairs = make_pairs(len(prompts))
    group = prompt_groups(
        Pairs(pairs.ids, column([(text,) for text in prompts]), pairs.response_a, pairs.response_b, pairs.label)
    )
    assert len(set(group[:3])) == 1
    assert len(set(group[2:])) == 5


def test_plain_stratified_folds_leak_shared_prompts() -> None:
    folds = make_folds(make_pairs(200), FoldSettings(scheme=Scheme.stratified))
    assert any(len(set(folds.fold[folds.group == group].tolist())) > 1 for group in set(folds.group))


def test_one_giant_group_still_leaves_rows_for_each_fold() -> None:
    label = np.array([0, 1, 2] * 40, dtype=np.int8)
    unit = column(["giant"] * 60 + [f"g{row}" for row in range(60)])
    bucket = assign(label, unit, np.full(5, 0.2), 0)
    assert np.bincount(bucket).min() >= 10
    assert len(set(bucket[:60].tolist())) == 1


@pytest.mark.parametrize("bad", [{"k": 1}, {"holdout": 0.7}, {"holdout": -0.1}])
def test_bad_settings(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        FoldSettings(**bad)  # type: ignore[arg-type]


def test_too_few_prompts() -> None:
    with pytest.raises(ConfigError, match="different prompts"):
        make_folds(make_pairs(4), FoldSettings(k=5))


def test_an_absent_outcome_keeps_its_column() -> None:
    folds = make_folds(make_pairs(60, classes=2), FoldSettings())
    assert folds.n_outcomes == 3
    assert outcome_counts(folds.label, folds.n_outcomes)[2] == 0


def test_the_hold_out_shares_no_prompt_whatever_the_scheme() -> None:
    folds = make_folds(make_pairs(300), FoldSettings(scheme=Scheme.stratified, holdout=0.2))
    assert set(folds.group[folds.scored]) & set(folds.group[~folds.scored]) == set()
    with pytest.raises(ConfigError, match="fewer than two prompts"):
        make_folds(make_pairs(100), FoldSettings(holdout=0.001))


def test_known_truth_is_part_of_the_data_digest() -> None:
    from prefens.data.synthetic.generator import Effects, generate

    assert data_digest(generate(20, 0, Effects(tie=1.4))) != data_digest(generate(20, 0, Effects(tie=1.41)))
