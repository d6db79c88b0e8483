"""The rewards of answers by stored members, each of which reads an answer on its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from prefens.core.errors import ConfigError
from prefens.core.types import Floats, Pairs
from prefens.inference.batches import FoldModel, Groups, Part, Question, ask_models
from prefens.inference.fold_models import member_class
from prefens.inference.reward_ensemble import Ensemble
from prefens.inference.unfinished import Unfinished
from prefens.members.base import Member
from prefens.members.training.reward_scale import RewardScale
from prefens.store.member_spec import MemberSpec

if TYPE_CHECKING:
    from prefens.inference.predictor import Predictor

log = logging.getLogger(__name__)

COMPARE = "leave ensemble out, so that pairs of answers are compared"


def block_rewards(
    predictor: Predictor, blocks: Sequence[Pairs], ensemble: Ensemble | None, unfinished: Unfinished | None = None
) -> list[Floats] | None:
    """Return the rewards of the responses A of each block of pairs, (n,), by a predictor.

    Parameters
    ----------
    predictor : Predictor
        A member, or a blend.
    blocks : sequence of Pairs
        n pairs each, whose responses B are not read. No block changes a bit of another one's rewards.
    ensemble : Ensemble or None
        How the rewards of the members become one.
    unfinished : Unfinished or None
        As in `ask_models`.

    Returns
    -------
    list of array, shape (n,), or None
        None, before a model is loaded, for members without rewards, and for blends where `ensemble` is None.

    Raises
    ------
    ConfigError
        A member of an ensemble has no rewards, or none that are comparable; or the ensemble needs weights that are not
        there.
    StoreError, BackboneError
        As in `model_groups`.
    Stopped
        As in `ask_models`.
    """
    if ensemble is None and len(predictor.used) > 1:
        return None
    unfinished = Unfinished() if unfinished is None else unfinished
    without = [spec.name for spec in predictor.specs() if not _has_rewards(predictor, spec)]
    if ensemble is None:
        return None if without else member_rewards(predictor.groups(), blocks, unfinished)
    if without:
        came = f"{', '.join(without)} has no reward of an answer on its own"
        expected = "siamese members with head=davidson head.style=false alone"
        do = f"{COMPARE}; or blend such members alone"
        raise ConfigError(f"ensemble={ensemble.name}: {came}", expected, do)
    weights = predictor.blender.weights
    shares = None if weights is None else dict(zip(predictor.members, weights.tolist(), strict=True))
    return ensemble_rewards(predictor.groups(), blocks, shares, ensemble, unfinished)


def _has_rewards(predictor: Predictor, spec: MemberSpec) -> bool:
    """Return whether a member gives each answer a reward of its own, by its settings; not where it has no models."""
    if spec.name in predictor.loaded:
        return predictor.loaded[spec.name][0].load().has_rewards
    folder = predictor.store.fold_dir(spec.name, predictor.folds[0]) / "model"
    return spec.kind is not None and folder.is_dir() and member_class(spec).stored_rewards(folder)


def member_rewards(groups: Groups, blocks: Sequence[Pairs], unfinished: Unfinished) -> list[Floats]:
    """Return the rewards of the responses A of each block by one member, (n,), the means over its fold models.

    Those of each fold model are centered and scaled by their mean and spread on its training answers. Where one of the
    fold models has no such scale, since it was stored before there was one, all are in natural log odds as they are.

    Parameters
    ----------
    groups : sequence of sequences of FoldModel
        The fold models of a member with rewards.
    blocks : sequence of Pairs
        n pairs each, whose responses B are not read.
    unfinished : Unfinished
        As in `ask_models`.
    """
    rewards = _ask(groups, blocks, unfinished)
    scales = {model: model.reward_scale() for model in rewards}
    if any(scale is None for scale in scales.values()):
        _warn_of_unscaled(next(model.member for model, scale in scales.items() if scale is None))
        return [np.mean(own, axis=0) for own in zip(*rewards.values(), strict=True)]
    scaled = [[scale.apply(each) for each in rewards[model]] for model, scale in scales.items() if scale is not None]
    return [np.mean(own, axis=0) for own in zip(*scaled, strict=True)]


def ensemble_rewards(
    groups: Groups,
    blocks: Sequence[Pairs],
    weights: Mapping[str, float] | None,
    ensemble: Ensemble,
    unfinished: Unfinished,
) -> list[Floats]:
    """Return one reward of each response A of each block, (n,), from those of several members.

    Parameters
    ----------
    groups : sequence of sequences of FoldModel
        The fold models of members with rewards.
    blocks : sequence of Pairs
        n pairs each, whose responses B are not read.
    weights : mapping of str to float, or None
        The blend's weights of the members, on the simplex; None where it has none.
    ensemble : Ensemble
        How they become one.
    unfinished : Unfinished
        As in `ask_models`.

    Raises
    ------
    ConfigError
        The rewards of a member are not comparable, or the ensemble needs weights that are not there.
    """
    models = [model for group in groups for model in group]
    names = list(dict.fromkeys(model.member for model in models))
    shares = None if weights is None else np.array([weights[name] for name in names])
    ensemble.combine(np.empty((len(names), 0)), shares)  # refuses missing weights before anything is read
    scales = {model: _scale(model, ensemble) for model in models}
    folds = {name: sum(model.member == name for model in models) for name in names}
    sums = {name: [np.zeros(len(block)) for block in blocks] for name in names}
    for model, rewards in _ask(groups, blocks, unfinished).items():
        for total, own in zip(sums[model.member], rewards, strict=True):
            total += scales[model].apply(own) / folds[model.member]
    return [ensemble.combine(np.stack(own), shares) for own in zip(*sums.values(), strict=True)]


def _scale(model: FoldModel, ensemble: Ensemble) -> RewardScale:
    scale = model.reward_scale()
    if scale is None:
        came = f"{model.member} was stored before rewards were centered and scaled"
        do = f"train it again with force=true; or {COMPARE}"
        raise ConfigError(f"ensemble={ensemble.name}: {came}", "rewards that are comparable", do)
    return scale


def _ask(groups: Groups, blocks: Sequence[Pairs], unfinished: Unfinished) -> dict[FoldModel, list[Floats]]:
    """Return of each fold model the rewards of each block, in natural log odds; a block is read at once."""

    def read(name: str, model: Member, pairs: Pairs) -> Floats:
        rewards = model.rewards(pairs)
        if rewards is None:
            raise ValueError(f"{name} has no rewards, and its settings say that it has")
        return rewards

    starts = list(accumulate(map(len, blocks), initial=0))
    parts = [Part(np.arange(*ends), block) for block, ends in zip(blocks, pairwise(starts), strict=True) if len(block)]
    rewards = {model: np.zeros(starts[-1]) for group in groups for model in group}

    def receive(model: FoldModel, part: Part, values: Floats) -> None:
        rewards[model][part.rows] = values

    ask_models(groups, parts, Question(read, (), "answers"), unfinished, receive)
    return {model: np.split(values, starts[1:-1]) for model, values in rewards.items()}


@cache
def _warn_of_unscaled(member: str) -> None:
    """Warn once of rewards that can't be compared with those of other members: a server asks for them many times."""
    log.warning(
        "%s was stored before rewards were centered and scaled: its rewards are natural log odds with an origin of "
        "their own; force=true trains it again",
        member,
    )
