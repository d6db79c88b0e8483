"""The bootstrap draws prompts, not rows, and agrees with what theory says of the mean."""

import numpy as np
import pytest

from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.metrics import clustered_error


def grouped(groups: int, each: int) -> np.ndarray:
    return np.repeat([f"g{number}" for number in range(groups)], each).astype(object)


def test_its_spread_is_the_clustered_standard_error() -> None:
    generator = np.random.default_rng(0)
    group = grouped(300, 3)
    values = np.repeat(generator.normal(size=300), 3) + 0.1 * generator.normal(size=900)
    means = GroupBootstrap(group, 2000).means(values[None])
    assert means.shape == (2000, 1)
    assert means.std() == pytest.approx(clustered_error(values, group), rel=0.06)
    assert means.mean() == pytest.approx(values.mean(), abs=0.01)
    by_row = GroupBootstrap(np.arange(900).astype(str).astype(object), 2000).means(values[None]).std()
    assert by_row < 0.7 * means.std()  # what ignoring the prompts would have claimed


def test_rows_of_a_group_are_drawn_together_and_the_draws_repeat() -> None:
    bootstrap = GroupBootstrap(grouped(20, 4), 50)
    counts = np.stack(list(bootstrap.row_counts()))
    assert counts.shape == (50, 80)
    np.testing.assert_allclose(counts.mean(axis=1), 1.0)
    assert (counts.reshape(50, 20, 4) == counts.reshape(50, 20, 4)[:, :, :1]).all()
    np.testing.assert_array_equal(counts, np.stack(list(GroupBootstrap(grouped(20, 4), 50).row_counts())))
    values = np.random.default_rng(1).normal(size=(2, 80))
    np.testing.assert_allclose(bootstrap.means(values), (counts @ values.T) / 80, atol=1e-12)


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(100):
        values = np.random.default_rng(seed).exponential(size=(1, 200))
        low, high = GroupBootstrap(np.arange(200).astype(str).astype(object), 200, seed).intervals(values)[0]
        covered += low <= 1.0 <= high
    assert 87 <= covered <= 99


def test_the_interval_is_of_each_column() -> None:
    draws = np.column_stack([np.arange(101), np.arange(101) * 2.0])
    np.testing.assert_allclose(interval(draws, 0.9), [[5, 95], [10, 190]])
