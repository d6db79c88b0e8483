"""A member's decoder with its linear reward, as the sequence classifier that transformers has for the decoder."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch

from prefens.core.errors import ConfigError
from prefens.members.base import Member
from prefens.members.encoder import EncoderMember
from prefens.members.nn.frozen_encoder import FrozenEncoder
from prefens.members.nn.head_kinds import RewardHead
from prefens.members.nn.heads import HeadKind
from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.pairing import Pairing
from prefens.members.nn.pooling import Pooling

TRAIN_ONE = "train a decoder with pairing=siamese head=davidson head.hidden=0 head.style=false head.pooling=last"


@dataclass(frozen=True, eq=False)
class RewardModel:
    """A sequence classifier of one label, in parts.

    Attributes
    ----------
    config : transformers config
        With num_labels=1.
    kind : type
        The class of transformers.
    weights : dict of str to torch.Tensor
        Its float32 weights.
    log_nu : float or None
        The logarithm of Davidson's tie parameter; None where the data has no ties.
    """

    config: Any
    kind: Any
    weights: dict[str, torch.Tensor]
    log_nu: float | None


def check_reward(member: Member) -> EncoderMember:
    """Return a member whose reward is linear in the last state of a pretrained model.

    Raises
    ------
    ConfigError
        It has no reward of each answer on its own, or one that is no linear function of that state, or its weights are
        quantized; the error names the setting.
    """
    if not isinstance(member, EncoderMember):
        raise _refused(f"a member of the kind {member.kind}", "a pretrained decoder")
    head, quant = member.head, member.quant
    single = "a reward of each answer on its own"
    for wrong, setting, expected in (
        (member.pairing.kind is not Pairing.siamese, f"pairing={member.pairing.kind.name}", f"siamese: {single}"),
        (head.kind is not HeadKind.davidson, f"head={head.kind.name}", f"davidson: {single}"),
        (head.hidden != 0, f"head.hidden={head.hidden}", "0: the class has one linear layer"),
        (bool(head.style), "head.style=true", "false: the class reads no style features"),
        (head.pooling is not Pooling.last, f"head.pooling={head.pooling and head.pooling.name}",
         "last: the class reads the state of the last token"),
        (quant is not None, f"backbone.quant={quant and quant.name}", "null: quantized weights are not exported"),
    ):  # fmt: skip
        if wrong:
            raise _refused(f"{member.name} with {setting}", expected)
    return member


def classifier_class(config: Any, name: str) -> Any:
    """Return transformers' class of sequence classifiers for a config, whose head is one linear layer without bias.

    Raises
    ------
    ConfigError
        There is none, or it has another head, as those of encoders have.
    """
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
    from transformers.modeling_layers import GenericForSequenceClassification

    kind: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING.get(type(config), None)
    if kind is None:
        raise _refused(f"{name}, a {config.model_type}", "a model for which transformers has a sequence classifier")
    if not issubclass(kind, GenericForSequenceClassification):
        came = f"{name}, whose {kind.__name__} has a head of its own"
        raise _refused(came, "a decoder, whose class has one linear layer on the last token")
    return kind


def make_reward_model(member: EncoderMember) -> RewardModel:
    """Return the classifier whose logit is the member's reward. Adapters are merged into the weights, in fp32.

    Raises
    ------
    ConfigError
        As `check_reward` and `classifier_class`.
    ValueError
        The member is neither fitted nor loaded.
    """
    model = check_reward(member).model
    if model is None:
        raise ValueError("export before fit or load")
    kind = classifier_class(model.encoder.config, member.name)
    encoder = model.encoder
    if isinstance(encoder, FrozenEncoder):
        encoder = encoder.on(torch.device("cpu"))
    weights = {f"{kind.base_model_prefix}.{name}": each for name, each in _merged(encoder, model).items()}
    weights["score.weight"] = _reward_weights(model)
    config = deepcopy(encoder.config)
    config.num_labels, config.use_cache, config.dtype = 1, True, torch.float32
    log_nu: Any = model.head.log_nu
    return RewardModel(config, kind, weights, None if log_nu is None else float(log_nu.detach()))


@torch.no_grad()
def _merged(encoder: Any, model: PairModel) -> dict[str, torch.Tensor]:
    """Return the encoder's weights by name, in fp32, with the model's adapters added."""
    weights = {name: each.detach().cpu().float() for name, each in encoder.state_dict().items()}
    if model.adapters is not None:
        adapters = zip(model.adapters.layers, model.adapters.a, model.adapters.b, strict=True)
        for name, a, b in adapters:
            key = f"{name}.weight"
            weights[key] = weights[key] + model.adapters.scale * (b.cpu() @ a.cpu())
    return weights


@torch.no_grad()
def _reward_weights(model: PairModel) -> torch.Tensor:
    """Return the (1, d) weights of the reward, in natural log odds."""
    head: Any = model.head
    weights: torch.Tensor = head.scale * head.score.weight if isinstance(head, RewardHead) else head.body[-1].weight
    return weights.detach().cpu().float()


def _refused(came: str, expected: str) -> ConfigError:
    return ConfigError(came, expected, TRAIN_ONE)
