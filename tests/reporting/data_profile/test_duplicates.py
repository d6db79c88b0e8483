"""Repeated pairs and leaks are counted, and the expected leak is exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefens.core.types import Pairs
from prefens.reporting.data_profile.duplicates import expected_leaked_rows, find_repeats, group_sizes, leaked_rows
from tests.helpers.examples import column, make_pairs


def test_verdicts_that_agree_in_both_orders_do_not_contradict() -> None:
    once = make_pairs(20)
    both = Pairs.concatenate([once, once.swapped()])
    repeats = find_repeats(both)
    assert repeats["the same pair in the other order"].all()
    assert not repeats["the same pair again"].any()
    assert not repeats["contradictory votes on the same pair"].any()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(2, 4))
@settings(max_examples=30)
def test_the_expected_leak_is_that_of_random_folds(names: list[int], k: int) -> None:
    """The expectation is exact: the mean over all assignments of rows to folds, each as likely as any other."""
    group = column([str(name) for name in names])
    assignments = np.array([*itertools.product(range(k), repeat=len(names))], dtype=np.int8)
    leaked = [leaked_rows(group, fold).sum() for fold in assignments]
    assert expected_leaked_rows(group, k) == pytest.approx(np.mean(leaked), abs=1e-12)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(2, 6))
def test_only_rows_that_share_a_prompt_can_leak(names: list[int], k: int) -> None:
    group = column([str(name) for name in names])
    assert 0.0 <= expected_leaked_rows(group, k) <= (group_sizes(group) > 1).sum()
    assert not leaked_rows(group, np.array([name % k for name in names], dtype=np.int8)).any()
