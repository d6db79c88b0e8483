"""Training: steps cover the rows, micro-batches change nothing, a loss that is not finite stops with its step."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prefens.core.errors import BackboneError, ConfigError, TrainingError
from prefens.data.text.settings import TextSettings
from prefens.members.backbone_files import check_directory, fingerprint
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.members.nn.head_kinds import EquivariantHead
from prefens.members.nn.heads import HeadSettings
from prefens.members.nn.pooling import Pooling, PoolingLayer
from prefens.members.training.batching import micro_batches, plan_steps
from prefens.members.training.settings import TrainingSettings
from tests.helpers.encoders import without_dropout
from tests.helpers.examples import make_pairs


@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 3), st.integers(0, 100))
def test_every_epoch_holds_each_row_once(count: int, batch_pairs: int, epochs: int, seed: int) -> None:
    plan = plan_steps(count, batch_pairs, epochs, seed)
    rows = np.concatenate(plan)
    for epoch in range(epochs):
        assert sorted(rows[epoch * count : (epoch + 1) * count].tolist()) == list(range(count))
    sizes = {len(step) for step in plan}
    assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.integers(1, 100), min_size=1, max_size=60), st.integers(1, 500))
def test_micro_batches_hold_each_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    parts = list(micro_batches(np.arange(len(lengths)), np.array(lengths), budget))
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(lengths)))
    for part in parts:
        assert len(part) == 1 or sum(lengths[row] for row in part) <= budget
    for part, after in pairwise(parts):
        assert sum(lengths[row] for row in part) + lengths[after[0]] > budget  # none is smaller than it need be
        assert lengths[part[-1]] >= lengths[after[0]]


def fitted(path: Path, **settings: float) -> EncoderMember:
    training = TrainingSettings(**{"lr": 1e-3, "head_lr": 0.03, "epochs": 2, "batch_pairs": 16} | settings)  # type: ignore[arg-type]
    head = HeadSettings(hidden=8, dropout=0.0)
    member = EncoderMember("bert", path=str(path), text=TextSettings(max_length=64), head=head, training=training)
    member.fit(make_pairs(48), None, Context(seed=1, inner=np.zeros(48, dtype=np.int8)))
    return member


def test_the_token_budget_changes_no_result(tiny_bert: Path, tmp_path: Path) -> None:
    path, pairs = without_dropout(tiny_bert, tmp_path), make_pairs(30, seed=3)
    whole, cut = (fitted(path, token_budget=budget).predict_proba(pairs) for budget in (100_000, 200))
    assert np.ptp(whole[:, 0]) > 0.05  # the head has left the class prior, which no budget could change
    np.testing.assert_allclose(whole, cut, atol=1e-4)


def test_a_loss_that_is_not_finite_names_its_step(tiny_bert: Path) -> None:
    with pytest.raises(TrainingError, match=r"at step \d+ of 6"):
        fitted(tiny_bert, head_lr=1e30)


def test_padding_changes_no_pooled_vector() -> None:
    torch.manual_seed(0)
    states, mask = torch.randn(3, 5, 4), torch.ones(3, 5)
    padded = torch.cat([states, torch.full((3, 2, 4), 7.0)], dim=1)
    longer = torch.cat([mask, torch.zeros(3, 2)], dim=1)
    for pooling in Pooling:
        layer = PoolingLayer(pooling, 4)
        torch.nn.init.normal_(next(layer.parameters(), torch.empty(0)))
        torch.testing.assert_close(layer(states, mask), layer(padded, longer))


def test_the_head_is_equivariant() -> None:
    torch.manual_seed(0)
    head = EquivariantHead(PoolingLayer(Pooling.mean, 6), 0, 8, 0.0).eval()
    a, b = torch.randn(10, 6), torch.randn(10, 6)
    torch.testing.assert_close(head(a, b), head(b, a)[:, [1, 0, 2]])


def test_backbone_directories_are_checked_and_known_by_content(tiny_bert: Path, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"no config\.json and no model\.safetensors"):
        check_directory(tmp_path)
    member = EncoderMember("x", path=str(tiny_bert), text=TextSettings(max_length=64))
    assert member.identity() == {"files": fingerprint(tiny_bert)}
    too_long = EncoderMember("x", path=str(tiny_bert), text=TextSettings(max_length=400))
    with pytest.raises(ConfigError, match="at most 132"):
        too_long.fit(make_pairs(10), None, Context(0, np.zeros(10, dtype=np.int8)))


@pytest.mark.parametrize("bad", [{"lr": 0.0}, {"epochs": 0}, {"batch_pairs": -1}])
def test_bad_settings(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        TrainingSettings(**bad)  # type: ignore[arg-type]
