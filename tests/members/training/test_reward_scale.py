"""Rewards of different models are comparable: the origin and the spread of a model's own change nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefens.core.errors import StoreError
from prefens.members.training.reward_scale import FILE_NAME, RewardScale

REWARDS = np.random.default_rng(0).normal(3.0, 2.0, (50, 2))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_origin_and_spread_of_a_model_change_nothing(origin: float, spread: float) -> None:
    theirs = origin + spread * REWARDS
    scaled = RewardScale.of(theirs).apply(theirs)
    np.testing.assert_allclose(scaled, RewardScale.of(REWARDS).apply(REWARDS), atol=1e-5)
    assert (scaled.mean(), scaled.std()) == pytest.approx((0.0, 1.0), abs=1e-5)


def test_equal_rewards_are_zeros() -> None:
    same = np.full((50, 2), 0.1)
    assert RewardScale.of(same).spread == 1.0
    np.testing.assert_allclose(RewardScale.of(same).apply(same), 0.0, atol=1e-12)


def test_a_scale_comes_back_and_what_is_none_is_refused(tmp_path: Path) -> None:
    assert RewardScale.read(tmp_path) is None
    scale = RewardScale.of(REWARDS)
    scale.save(tmp_path)
    assert RewardScale.read(tmp_path) == scale
    wrong = [{"mean": 0.0, "spread": spread} for spread in (0.0, -1.0, 1e-99, float("inf"), "1")]
    for content in (*wrong, {"mean": 0.0}, {"mean": None, "spread": 1.0}, {"mean": float("nan"), "spread": 1.0}, []):
        (tmp_path / FILE_NAME).write_text(json.dumps(content))
        with pytest.raises(StoreError, match=FILE_NAME):
            RewardScale.read(tmp_path)
