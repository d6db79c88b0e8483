"""One reward of each answer from those of several members."""

from __future__ import annotations

from enum import Enum

import numpy as np

from prefens.core.errors import ConfigError
from prefens.core.types import Floats


class Ensemble(Enum):
    """How the rewards of an answer by several members become one.

    The last two are for what optimizes a reward, such as best-of-n sampling or reinforcement learning, and finds what a
    single member overrates (Coste, Anwar, Kirk & Krueger 2023, "Reward model ensembles help mitigate overoptimization",
    worst-case and uncertainty-weighted optimization).

    Attributes
    ----------
    mean
        The mean, with the blend's weights.
    worst
        The lowest one.
    mean_minus_std
        The mean less the standard deviation over members, both with the blend's weights. The paper subtracts the
        variance, times a coefficient; the standard deviation has the rewards' own unit and needs none.
    """

    mean = "mean"
    worst = "worst"
    mean_minus_std = "mean_minus_std"

    def combine(self, rewards: Floats, weights: Floats | None) -> Floats:
        """Return one reward of each answer.

        Parameters
        ----------
        rewards : array, shape (M, n)
            The comparable rewards of n answers by M members.
        weights : array, shape (M,), or None
            Weights on the simplex; None where the blend has none, which `worst` alone allows.

        Returns
        -------
        array, shape (n,)

        Raises
        ------
        ConfigError
            There are no weights.
        """
        if self is Ensemble.worst:
            lowest: Floats = rewards.min(axis=0)
            return lowest
        if weights is None:
            raise ConfigError(
                f"ensemble={self.name} of a blend without a weight for each member",
                "a method that has them: soft_vote, seed_average, log_loss, greedy",
                "add method=soft_vote, say, or set ensemble=worst",
            )
        mean: Floats = weights @ rewards
        if self is Ensemble.mean:
            return mean
        return mean - np.sqrt(weights @ np.square(rewards - mean))
