"""Rewards of stored members: comparable where their scales are stored, as they are where one is not."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from prefens.core.types import Floats, Pairs
from prefens.inference.batches import FoldModel
from prefens.inference.rewards import member_reward
from prefens.members.training.reward_scale import RewardScale
from tests.helpers.examples import make_pairs

PAIRS = make_pairs(5)
TRAINING = np.array([-1.0, 0.0, 0.5, 3.0])


@dataclass
class Model:
    """A fold model whose rewards are those of another one, shifted and stretched."""

    origin: float = 0.0
    spread: float = 1.0
    stored: bool = True
    silent: bool = False

    def rewards(self, pairs: Pairs) -> Floats | None:
        return None if self.silent else self.origin + self.spread * np.arange(len(pairs))

    @property
    def reward_scale(self) -> RewardScale | None:
        return RewardScale.of(self.origin + self.spread * TRAINING) if self.stored else None


def fold_models(*models: Model, member: str = "m") -> list[FoldModel]:
    return [FoldModel(member, "", lambda model=model: model) for model in models]  # type: ignore[misc]


def test_fold_models_are_averaged_whatever_their_origins_and_spreads() -> None:
    expected = member_reward([fold_models(Model())], PAIRS)
    assert expected is not None
    for models in ([Model(7.0)], [Model(-2.0, 30.0), Model(100.0, 0.1)]):
        np.testing.assert_allclose(member_reward([fold_models(*models)], PAIRS), expected, atol=1e-9)
    assert member_reward([fold_models(Model(), Model(silent=True))], PAIRS) is None


def test_rewards_without_a_stored_scale_are_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    groups: Any = [fold_models(Model(2.0)), fold_models(Model(4.0, stored=False))]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            np.testing.assert_allclose(member_reward(groups, PAIRS), 3.0 + np.arange(5))
    assert len([line for line in caplog.messages if "m was stored before" in line]) == 1
