"""The rewards of answers by stored members, each of which reads an answer on its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache

import numpy as np

from prefens.core.types import Floats, Pairs
from prefens.inference.batches import FoldModel
from prefens.members.training.reward_scale import RewardScale

log = logging.getLogger(__name__)


def member_reward(groups: Sequence[Sequence[FoldModel]], pairs: Pairs) -> Floats | None:
    """Return the rewards of the responses A by one member, (n,), the mean over its fold models; None without rewards.

    Those of each fold model are centered and scaled by their mean and spread on its training answers. Where one of the
    fold models has no such scale, since it was stored before there was one, all are in natural log odds as they are.

    Parameters
    ----------
    groups : sequence of sequences of FoldModel
        The fold models of the member.
    pairs : Pairs
        n pairs, whose responses B are not read.
    """
    rewards: list[Floats] = []
    scales: list[RewardScale | None] = []
    for model in (each for group in groups for each in group):
        loaded = model.load()
        own = loaded.rewards(pairs)
        if own is None:
            return None
        rewards.append(own)
        scales.append(loaded.reward_scale)
    known = [scale for scale in scales if scale is not None]
    if len(known) == len(scales):
        rewards = [scale.apply(own) for scale, own in zip(known, rewards, strict=True)]
    else:
        _warn_of_unscaled(groups[0][0].member)
    mean: Floats = np.mean(rewards, axis=0)
    return mean


@cache
def _warn_of_unscaled(member: str) -> None:
    """Warn once of rewards that can't be compared with those of other members: a server asks for them many times."""
    log.warning(
        "%s was stored before rewards were centered and scaled: its rewards are natural log odds with an origin of "
        "their own; force=true trains it again",
        member,
    )
