"""One reward from several: each answer for itself, never above what the members say, and theirs where they agree."""

import numpy as np
import pytest

from prefens.core.errors import ConfigError
from prefens.core.types import Floats
from prefens.inference.reward_ensemble import Ensemble

REWARDS = np.random.default_rng(0).normal(size=(3, 7))
WEIGHTS = np.array([0.5, 0.3, 0.2])


def combined(ensemble: Ensemble, rewards: Floats = REWARDS) -> Floats:
    return ensemble.combine(rewards, WEIGHTS)


@pytest.mark.parametrize("ensemble", Ensemble)
def test_each_answer_has_its_own_reward(ensemble: Ensemble) -> None:
    order = np.random.default_rng(1).permutation(7)
    np.testing.assert_allclose(combined(ensemble, REWARDS[:, order]), combined(ensemble)[order], atol=1e-12)
    np.testing.assert_allclose(combined(ensemble, REWARDS[:, :4]), combined(ensemble)[:4], atol=1e-12)
    np.testing.assert_allclose(combined(ensemble, 2 * REWARDS + 3), 2 * combined(ensemble) + 3, atol=1e-12)


@pytest.mark.parametrize("ensemble", Ensemble)
def test_members_that_agree_are_taken_at_their_word(ensemble: Ensemble) -> None:
    np.testing.assert_allclose(combined(ensemble, np.tile(REWARDS[0], (3, 1))), REWARDS[0], atol=1e-7)
    np.testing.assert_array_equal(ensemble.combine(REWARDS[:1], np.ones(1)), REWARDS[0])


def test_the_ensembles_are_what_their_names_say() -> None:
    mean = np.average(REWARDS, axis=0, weights=WEIGHTS)
    spread = np.sqrt(np.average((REWARDS - mean) ** 2, axis=0, weights=WEIGHTS))
    np.testing.assert_allclose(combined(Ensemble.mean), mean, atol=1e-12)
    np.testing.assert_allclose(combined(Ensemble.mean_minus_std), mean - spread, atol=1e-12)
    np.testing.assert_array_equal(combined(Ensemble.worst), REWARDS.min(axis=0))


def test_a_blend_without_weights_has_a_worst_member_alone() -> None:
    np.testing.assert_array_equal(Ensemble.worst.combine(REWARDS, None), REWARDS.min(axis=0))
    for ensemble in (Ensemble.mean, Ensemble.mean_minus_std):
        with pytest.raises(ConfigError, match=f"ensemble={ensemble.name} of a blend without a weight"):
            ensemble.combine(REWARDS, None)
