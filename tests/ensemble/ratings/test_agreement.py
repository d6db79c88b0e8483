"""The order of two ratings is compared: all, none, and each pair of models that differs, by name."""

import numpy as np
import pytest

from prefens.core.types import Floats
from prefens.ensemble.ratings import Kind, Ratings, compare


def ratings(source: str, values: list[float], spread: float = 1.0) -> Ratings:
    own: Floats = np.array(values)
    draws = own + spread * np.random.default_rng(0).normal(size=(50, len(own)))
    none = np.zeros(len(own), dtype=np.int64)
    return Ratings(source, Kind.BRADLEY_TERRY, ("a", "b", "c"), own, np.ones(3), draws, none, (), None)


def test_the_same_order_agrees_and_the_reverse_does_not() -> None:
    voted = ratings("votes", [1100.0, 1000.0, 900.0])
    same = compare(voted, ratings("blend", [1010.0, 1000.0, 990.0]))
    assert (same.spearman, same.kendall, same.reversals) == ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), ())
    other = compare(voted, ratings("blend", [900.0, 1000.0, 1100.0]))
    assert (other.spearman[0], other.kendall[0]) == pytest.approx((-1.0, -1.0))
    assert [(each.better, each.worse) for each in other.reversals] == [("a", "c"), ("a", "b"), ("b", "c")]


def test_a_reversal_says_how_sure_the_votes_are() -> None:
    voted = ratings("votes", [1100.0, 1001.0, 1000.0], spread=5.0)
    (reversal,) = compare(voted, ratings("blend", [1100.0, 1000.0, 1010.0], spread=5.0)).reversals
    assert (reversal.better, reversal.worse) == ("b", "c")
    assert (reversal.voted[0], reversal.predicted[0]) == pytest.approx((1.0, -10.0))
    assert (reversal.voted[1] or 0.0) < 0.0
    assert not reversal.clear
    (first, *_) = compare(voted, ratings("blend", [900.0, 1000.0, 1010.0])).reversals
    assert first.clear


def test_without_resamples_there_are_no_intervals() -> None:
    voted, predicted = (ratings(name, [3.0, 2.0, 1.0]) for name in ("votes", "blend"))
    bare = [Ratings(**{**vars(each), "draws": np.empty((0, 3))}) for each in (voted, predicted)]
    own = compare(*bare)
    assert own.spearman == (1.0, None, None)
