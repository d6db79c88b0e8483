"""Differences in style are relative, change sign with the sides, and are 0 where neither side has any."""

import numpy as np
import pytest

from prefens.core.types import Pairs
from prefens.data.text.style_differences import STYLE_DIFFERENCES, style_differences
from tests.helpers.examples import column, make_pairs

PLAIN, RICH = "one two three", "# Head\n\n- **one** two\n- three\n1. four\n"


def pairs_of(a: tuple[str, ...], b: tuple[str, ...]) -> Pairs:
    return Pairs(column(["1"]), column([("ask",)]), column([a]), column([b]))


def test_they_are_relative_and_counted_over_all_turns() -> None:
    own = dict(zip(STYLE_DIFFERENCES, style_differences(pairs_of((PLAIN,), (RICH, "")))[0], strict=True))
    assert own["headings"] == own["bold"] == own["lists"] == -1.0
    assert own["length"] == pytest.approx((3 - 6) / (3 + 6))
    (halves,) = style_differences(pairs_of(("**x**", "**y** **z**"), ("**x**", "y")))
    assert halves[STYLE_DIFFERENCES.index("bold")] == pytest.approx((3 - 1) / (3 + 1))


def test_empty_texts_do_not_differ() -> None:
    np.testing.assert_array_equal(style_differences(pairs_of(("",), ("",))), np.zeros((1, 4)))
    assert style_differences(make_pairs(3).take(np.array([], dtype=int))).shape == (0, 4)


def test_exchanging_the_sides_changes_the_sign() -> None:
    pairs = make_pairs(30)
    np.testing.assert_array_equal(style_differences(pairs.swapped()), -style_differences(pairs))
