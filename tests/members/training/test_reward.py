"""Reward models: their own score is the initial reward, and its scale and ties are fitted on training pairs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from prefens.core.errors import BackboneError, ConfigError
from prefens.core.metrics import log_loss
from prefens.core.teaching import NO_VOTE, Targets
from prefens.core.types import SWAP
from prefens.data.text.settings import REWARD, TextSettings
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.lora import LoraSettings
from prefens.members.nn.pairing import Pairing, PairingSettings
from prefens.members.training.precision import Precision
from prefens.members.training.reward import fit_scale
from prefens.members.training.settings import Mode, Save, TrainingSettings
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import make_pairs

TRAIN, FRESH = make_pairs(40), make_pairs(8, seed=1)
QUICK = TrainingSettings(
    mode=Mode.frozen, lr=1e-4, head_lr=1e-4, epochs=1, batch_pairs=8, token_budget=1000, save=Save.fp32,
    precision=Precision.fp32, lora=LoraSettings(rank=2),
)  # fmt: skip


@pytest.fixture(scope="module")
def reward_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen with a scalar score in place of its language head, large enough to be overconfident."""
    directory = make_tiny_decoder("qwen2", tmp_path_factory.mktemp("language"))
    torch.manual_seed(1)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory, num_labels=1)
    model.score.weight.data.normal_(std=20.0)
    where = tmp_path_factory.mktemp("reward")
    model.save_pretrained(where)
    transformers.AutoTokenizer.from_pretrained(directory).save_pretrained(where)
    return where


def member_of(path: Path, mode: Mode = Mode.frozen, **head: Any) -> EncoderMember:
    settings = HeadSettings(**{"kind": HeadKind.davidson, "style": None, **head})
    text = TextSettings(max_length=200)
    return EncoderMember(
        "hub/reward", text, head=settings, training=replace(QUICK, mode=mode), path=str(path), reward=True
    )


def fit(member: EncoderMember) -> EncoderMember:
    member.fit(TRAIN, None, Context(seed=5, inner=np.zeros(len(TRAIN), dtype=np.int8)))
    return member


def own_scores(path: Path, pairs: Any) -> np.ndarray:
    """Return (n, 2) scores as transformers computes them of the chats in the model's template."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    rows = []
    for row in range(len(pairs)):
        for response in (pairs.response_a[row][0], pairs.response_b[row][0]):
            chat = [{"role": "user", "content": pairs.prompt[row][0]}, {"role": "assistant", "content": response}]
            ids = tokenizer(tokenizer.apply_chat_template(chat, tokenize=False), return_tensors="pt")["input_ids"]
            with torch.no_grad():
                rows.append(float(model(input_ids=ids).logits))
    return np.array(rows).reshape(-1, 2)


def test_a_frozen_reward_model_is_its_own_scores_with_a_fitted_scale(reward_model: Path) -> None:
    member = fit(member_of(reward_model))
    assert member.text.template == REWARD
    probabilities, scores = member.predict_proba(FRESH), own_scores(reward_model, FRESH)
    scale, _ = fit_scale(own_scores(reward_model, TRAIN), TRAIN.labels)
    log_odds = np.log(probabilities[:, 0] / probabilities[:, 1])
    np.testing.assert_allclose(log_odds, scale * (scores[:, 0] - scores[:, 1]), rtol=0.02, atol=0.02)
    assert member.model is not None
    trained = {name for name, weight in member.model.named_parameters() if weight.requires_grad}
    assert trained == {"head.scale", "head.log_nu"}
    # On the rows that the scale was fitted on it is never worse than the class prior; unscaled it was far worse.
    prior = np.bincount(TRAIN.labels, minlength=3) / len(TRAIN)
    prior = (prior + prior[SWAP]) / 2
    assert log_loss(member.predict_proba(TRAIN), TRAIN.labels) <= log_loss(np.tile(prior, (40, 1)), TRAIN.labels) + 1e-3


def test_the_scale_of_a_frozen_reward_is_the_fitted_one_whatever_the_steps(reward_model: Path) -> None:
    member = member_of(reward_model)
    member.training = replace(QUICK, head_lr=1e-2, epochs=3)  # a scale of about 0.01
    fit(member)
    assert member.model is not None
    scores = own_scores(reward_model, TRAIN)
    expected = fit_scale(scores, TRAIN.labels)
    values = member.model.head.scale.item(), member.model.head.log_nu.item()
    np.testing.assert_allclose(values, expected, rtol=1e-3)
    vote = np.where(np.arange(40) < 25, TRAIN.labels, NO_VOTE).astype(np.int8)  # a teacher's labels are none to fit on
    targets = Targets.of_teacher(vote, np.tile([0.1, 0.1, 0.8], (40, 1)), np.where(vote < 0, 1.0, 0.2))
    member.fit(TRAIN, None, Context(seed=5, inner=np.zeros(40, dtype=np.int8), targets=targets))
    assert member.model is not None
    values = member.model.head.scale.item(), member.model.head.log_nu.item()
    np.testing.assert_allclose(values, fit_scale(scores[:25], TRAIN.labels[:25]), rtol=1e-3)


@pytest.mark.parametrize("mode", Mode)
def test_reward_models_are_symmetric_and_come_back(reward_model: Path, tmp_path: Path, mode: Mode) -> None:
    member = fit(member_of(reward_model, mode))
    predicted = member.predict_proba(FRESH)
    np.testing.assert_allclose(predicted, member.predict_proba(FRESH.swapped())[:, SWAP], atol=1e-6)
    rewards = np.array([member.rewards(pairs) for pairs in (TRAIN, TRAIN.swapped())])
    scale = member.reward_scale
    assert scale is not None
    assert (scale.mean, scale.spread) == pytest.approx((rewards.mean(), rewards.std()), rel=1e-4)
    member.save(tmp_path)
    loaded = EncoderMember.load(tmp_path)
    np.testing.assert_allclose(loaded.predict_proba(FRESH), predicted, atol=1e-5)
    assert loaded.reward_scale == scale


def test_a_scale_is_found_again() -> None:
    generator = np.random.default_rng(0)
    rewards = generator.normal(size=(20000, 2)) * 7.0
    logits = np.column_stack([0.1 * rewards, 0.05 * rewards.sum(axis=1) + 0.4])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = (generator.random((20000, 1)) > shares.cumsum(axis=1)).sum(axis=1).astype(np.int8)
    assert fit_scale(rewards, label) == pytest.approx((0.1, 0.4), abs=0.03)


@pytest.mark.parametrize("wrong", [{"style": True}, {"kind": HeadKind.mlp}])
def test_what_is_no_reward_is_refused(reward_model: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"backbone\.reward=true"):
        member_of(reward_model, **wrong).resolve()


def test_a_pairing_or_a_model_without_a_score_is_refused(reward_model: Path, tmp_path: Path) -> None:
    crossed = member_of(reward_model)
    crossed.pairing = PairingSettings(Pairing.cross)
    with pytest.raises(ConfigError, match="pairing=cross"):
        crossed.resolve()
    with pytest.raises(BackboneError, match="no scalar score"):
        member_of(make_tiny_decoder("llama", tmp_path)).identity()
