"""The rewards of answers by stored members, each of which reads an answer on its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prefens.core.types import Floats, Pairs
from prefens.inference.batches import FoldModel


def member_reward(groups: Sequence[Sequence[FoldModel]], pairs: Pairs) -> Floats | None:
    """Return the rewards of the responses A by one member, (n,), the mean over its fold models; None without rewards.

    Parameters
    ----------
    groups : sequence of sequences of FoldModel
        The fold models of the member.
    pairs : Pairs
        n pairs, whose responses B are not read.
    """
    rewards: list[Floats] = []
    for model in (each for group in groups for each in group):
        own = model.load().rewards(pairs)
        if own is None:
            return None
        rewards.append(own)
    mean: Floats = np.mean(rewards, axis=0)
    return mean
