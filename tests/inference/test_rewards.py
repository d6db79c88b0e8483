"""Rewards of stored members: comparable where their scales are stored, as they are where one is not."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from prefens.core.errors import ConfigError
from prefens.core.types import Floats, Pairs
from prefens.inference.batches import FoldModel
from prefens.inference.reward_ensemble import Ensemble
from prefens.inference.rewards import ensemble_rewards, member_rewards
from prefens.inference.unfinished import Unfinished
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

    def rewards(self, pairs: Pairs) -> Floats | None:
        return self.origin + self.spread * np.arange(len(pairs))

    @property
    def reward_scale(self) -> RewardScale | None:
        return RewardScale.of(self.origin + self.spread * TRAINING) if self.stored else None


def fold_models(*models: Model, member: str = "m") -> list[FoldModel]:
    return [FoldModel(member, str(model), lambda model=model: model).in_memory() for model in models]  # type: ignore[misc]


def member_reward(groups: Any) -> Floats:
    (rewards,) = member_rewards(groups, [PAIRS], Unfinished())
    return rewards


def ensemble_reward(groups: Any, weights: dict[str, float] | None, ensemble: Ensemble) -> Floats:
    (rewards,) = ensemble_rewards(groups, [PAIRS], weights, ensemble, Unfinished())
    return rewards


def test_fold_models_are_averaged_whatever_their_origins_and_spreads() -> None:
    expected = member_reward([fold_models(Model())])
    for models in ([Model(7.0)], [Model(-2.0, 30.0), Model(100.0, 0.1)]):
        np.testing.assert_allclose(member_reward([fold_models(*models)]), expected, atol=1e-9)


def test_rewards_without_a_stored_scale_are_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    groups: Any = [fold_models(Model(2.0)), fold_models(Model(4.0, stored=False))]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            np.testing.assert_allclose(member_reward(groups), 3.0 + np.arange(5))
    assert len([line for line in caplog.messages if "m was stored before" in line]) == 1


@pytest.mark.parametrize("ensemble", Ensemble)
def test_an_ensemble_is_made_of_the_members_means_over_their_fold_models(ensemble: Ensemble) -> None:
    one, other = (Model(7.0), Model(0.0, 3.0)), (Model(1.0, -1.0), Model(5.0, -2.0))
    means = [member_reward([fold_models(*models)]) for models in (one, other)]
    groups = [fold_models(one[0], member="one"), fold_models(*other, member="other"), fold_models(one[1], member="one")]
    weights = {"unused": 0.0, "other": 0.25, "one": 0.75}
    expected = ensemble.combine(np.array(means), np.array([0.75, 0.25]))
    np.testing.assert_allclose(ensemble_reward(groups, weights, ensemble), expected, atol=1e-12)


def test_members_without_comparable_rewards_are_refused_by_name() -> None:
    groups = [fold_models(Model(), member="good"), fold_models(Model(stored=False), member="bad")]
    with pytest.raises(ConfigError, match="ensemble=worst: bad was stored before"):
        ensemble_reward(groups, {"good": 0.5, "bad": 0.5}, Ensemble.worst)


def test_weights_are_missed_before_a_model_is_read() -> None:
    def load() -> Any:
        raise AssertionError

    with pytest.raises(ConfigError, match="without a weight"):
        ensemble_reward([[FoldModel("m", "", load)]], None, Ensemble.mean)
