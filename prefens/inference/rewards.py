"""The rewards of answers by stored members, each of which reads an answer on its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from prefens.core.errors import ConfigError
from prefens.core.types import Floats, Pairs
from prefens.inference.batches import FoldModel
from prefens.inference.reward_ensemble import Ensemble
from prefens.members.training.reward_scale import RewardScale

log = logging.getLogger(__name__)

Groups = Sequence[Sequence[FoldModel]]
COMPARE = "leave ensemble out, so that pairs of answers are compared"


def member_reward(groups: Groups, pairs: Pairs) -> Floats | None:
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
    own, scaled = [], []
    for name, rewards, scale in _read(groups, pairs):
        if rewards is None:
            return None
        own.append(rewards)
        if scale is None:
            _warn_of_unscaled(name)
        else:
            scaled.append(scale.apply(rewards))
    mean: Floats = np.mean(scaled if len(scaled) == len(own) else own, axis=0)
    return mean


def ensemble_reward(groups: Groups, pairs: Pairs, weights: Mapping[str, float] | None, ensemble: Ensemble) -> Floats:
    """Return one reward of each response A, (n,), from those of several members.

    Parameters
    ----------
    groups : sequence of sequences of FoldModel
        The fold models of the members.
    pairs : Pairs
        n pairs, whose responses B are not read.
    weights : mapping of str to float, or None
        The blend's weights of the members, on the simplex; None where it has none.
    ensemble : Ensemble
        How they become one.

    Raises
    ------
    ConfigError
        A member has no rewards, or none that are comparable, or the ensemble needs weights that are not there.
    """
    names = list(dict.fromkeys(model.member for group in groups for model in group))
    folds = {name: sum(model.member == name for group in groups for model in group) for name in names}
    shares = None if weights is None else np.array([weights[name] for name in names])
    ensemble.combine(np.empty((len(names), 0)), shares)  # refuses missing weights before anything is read
    sums = {name: np.zeros(len(pairs)) for name in names}
    for name, rewards, scale in _read(groups, pairs):
        if rewards is None:
            came, expected = f"{name} has no reward of an answer on its own", "siamese members with head=davidson"
            do = f"{COMPARE}; or blend such members alone"
            raise ConfigError(f"ensemble={ensemble.name}: {came}", f"{expected} head.style=false alone", do)
        if scale is None:
            came = f"{name} was stored before rewards were centered and scaled"
            do = f"train it again with force=true; or {COMPARE}"
            raise ConfigError(f"ensemble={ensemble.name}: {came}", "rewards that are comparable", do)
        sums[name] += scale.apply(rewards) / folds[name]
    return ensemble.combine(np.stack([*sums.values()]), shares)


def _read(groups: Groups, pairs: Pairs) -> Iterator[tuple[str, Floats | None, RewardScale | None]]:
    """Yield of each fold model its member's name, the rewards, and their scale; one model is in memory at a time."""
    for model in (each for group in groups for each in group):
        loaded = model.load()
        yield model.member, loaded.rewards(pairs), loaded.reward_scale


@cache
def _warn_of_unscaled(member: str) -> None:
    """Warn once of rewards that can't be compared with those of other members: a server asks for them many times."""
    log.warning(
        "%s was stored before rewards were centered and scaled: its rewards are natural log odds with an origin of "
        "their own; force=true trains it again",
        member,
    )
