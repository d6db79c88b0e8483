"""What can't be rated is left out by name, with the reason."""

import numpy as np
import pytest

from prefens.core.errors import DataError
from prefens.core.types import Pairs
from prefens.ensemble.ratings import make_comparisons
from prefens.ensemble.ratings.comparisons import NO_NAME, SAME, UNCONNECTED, Votes
from tests.helpers.examples import column

# a and b beat each other; c tied with a; d lost to all; e and f know only each other; g met itself; one has no name.
VOTES = [
    ("a", "b", 0), ("a", "b", 1), ("c", "a", 2), ("a", "d", 0), ("d", "b", 1), ("e", "f", 0), ("e", "f", 1),
    ("g", "g", 0), ("", "a", 1),
]  # fmt: skip


def votes_of(rows: list[tuple[str, str, int]]) -> Votes:
    n = len(rows)
    text = column([("x",)] * n)
    label = np.array([row[2] for row in rows], dtype=np.int8)
    names = [column([row[side] for row in rows]) for side in (0, 1)]
    pairs = Pairs(column([str(row) for row in range(n)]), text, text, text, label, *names)
    style = np.column_stack([np.linspace(-1, 1, n), np.zeros(n)])
    return make_comparisons(pairs, column([str(row) for row in range(n)]), style, ("length", "bold"))


def test_models_are_rated_that_beat_one_another() -> None:
    votes = votes_of(VOTES)
    assert votes.comparisons.models == ("a", "b", "c")
    assert votes.rows.tolist() == [0, 1, 2]
    assert votes.left_out == dict.fromkeys("def", UNCONNECTED)
    assert votes.skipped == {NO_NAME: 1, SAME: 1, UNCONNECTED: 4}


def test_style_has_root_mean_square_1_and_what_never_differs_is_no_difference() -> None:
    comparisons = votes_of(VOTES).comparisons
    assert comparisons.style_names == ("length",)
    assert np.sqrt((comparisons.style**2).mean()) == pytest.approx(1.0)


@pytest.mark.parametrize("rows", [[("a", "b", 0)], [("a", "a", 0)], [("", "", 2)]])
def test_fewer_than_two_models_are_refused(rows: list[tuple[str, str, int]]) -> None:
    with pytest.raises(DataError, match="none beat each other"):
        votes_of(rows)


def test_pairs_without_models_are_refused() -> None:
    text = column([("x",)])
    pairs = Pairs(column(["1"]), text, text, text, np.zeros(1, dtype=np.int8))
    with pytest.raises(DataError, match="model_a"):
        make_comparisons(pairs, column(["1"]), np.empty((1, 0)), ())
