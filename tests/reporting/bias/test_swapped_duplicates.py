"""Swapped duplicates are found, and show who follows the position."""

import numpy as np

from prefens.core.metrics import one_hot
from prefens.core.types import Pairs
from prefens.reporting.bias.swapped_duplicates import change_under_swap, find_swapped_duplicates, swapped_verdicts
from tests.helpers.examples import make_pairs

ONCE = make_pairs(40, seed=3)
BOTH = Pairs.concatenate([ONCE, ONCE.swapped()])
DUPLICATES = np.array([*range(40, 80), *range(40)])


def test_swapped_duplicates_are_found() -> None:
    np.testing.assert_array_equal(find_swapped_duplicates(BOTH), DUPLICATES)
    assert (find_swapped_duplicates(ONCE) == -1).all()


def test_repeated_pairs_are_matched_in_their_order_and_identical_responses_never() -> None:
    twice = Pairs.concatenate([ONCE, ONCE, ONCE.swapped()])
    expected = [*range(80, 120), *[-1] * 40, *range(40)]
    np.testing.assert_array_equal(find_swapped_duplicates(twice), expected)
    same = Pairs(BOTH.ids, BOTH.prompt, BOTH.response_a, BOTH.response_a)
    assert (find_swapped_duplicates(same) == -1).all()


def test_only_predictions_that_follow_the_position_change_under_swap() -> None:
    symmetric, biased = one_hot(BOTH.labels, 3), np.tile([0.6, 0.1, 0.3], (80, 1))
    np.testing.assert_allclose(change_under_swap(symmetric, DUPLICATES), 0.0)
    np.testing.assert_allclose(change_under_swap(biased, DUPLICATES), 0.5)


def test_verdicts_are_the_same_or_follow_the_position() -> None:
    always_first = one_hot(np.zeros(80, dtype=np.int8), 3)
    shares = {name: values.mean() for name, values in swapped_verdicts(always_first, DUPLICATES).items()}
    assert shares["the first shown both times"] == 1.0
    assert sum(shares.values()) == 1.0
    assert swapped_verdicts(one_hot(BOTH.labels, 3), DUPLICATES)["the same verdict"].all()
