"""Training: steps cover the rows, micro-batches change nothing, a loss that is not finite stops with its step."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from prefens.core.errors import BackboneError, ConfigError, TrainingError
from prefens.core.types import SWAP
from prefens.data.text.settings import TextSettings
from prefens.members.backbone_files import check_directory, fingerprint
from prefens.members.base import Context
from prefens.members.encoder import EncoderMember
from prefens.members.nn.head_kinds import EquivariantHead
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.pair_model import Batch, pair_batch
from prefens.members.nn.pairing import Pairing, PairingSettings
from prefens.members.nn.pooling import Pooling, PoolingLayer
from prefens.members.training import loop
from prefens.members.training.batching import micro_batches, plan_steps
from prefens.members.training.precision import Precision
from prefens.members.training.settings import Mode, Swap, TrainingSettings
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
    head = EquivariantHead(PoolingLayer(Pooling.mean, 6), 0, 3, 8, 0.0).eval()
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


def test_a_second_order_is_read_where_the_first_leaves_it_open(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Symmetry stays exact, since the first order is by content; identical responses are read in both."""
    text, head = TextSettings(max_length=64), HeadSettings(HeadKind.mlp, hidden=8, style=True)
    training = TrainingSettings(lr=1e-3, head_lr=1e-2, epochs=1, batch_pairs=8, precision=Precision.fp32)
    fresh, read = make_pairs(20, seed=1), []
    fresh.response_b[3] = fresh.response_a[3]
    member = EncoderMember("bert", text, PairingSettings(Pairing.cross), head, training, path=str(tiny_bert))
    member.fit(make_pairs(24), None, Context(1, np.zeros(24, dtype=np.int8)))
    assert member.model is not None
    expected = member.predict_proba(fresh)

    def counted(*arguments: Any, **named: Any) -> Batch:
        batch = pair_batch(*arguments, **named)
        read.append(len(batch["input_ids"]))
        return batch

    monkeypatch.setattr(loop, "pair_batch", counted)
    below, sequences, same = 0.0, [], []
    for _ in range(3):
        member.model.second_order_below = below
        read.clear()
        predicted = member.predict_proba(fresh)
        sequences.append(sum(read))
        swapped = member.predict_proba(fresh.swapped())[:, SWAP]
        np.testing.assert_allclose(predicted, swapped, atol=1e-6)
        assert predicted[3, 0] == pytest.approx(predicted[3, 1], abs=1e-6)
        same.append(int(np.isclose(predicted, expected, atol=1e-7, rtol=0).all(axis=1).sum()))
        below = float(np.median(np.abs(predicted[:, 0] - predicted[:, 1]))) if below == 0.0 else 1.0
    assert sequences[0] == 22
    assert 30 <= sequences[1] <= 44
    assert sequences[2] == 60
    assert same[0] < same[1] < same[2] == 20


@pytest.mark.parametrize(("head", "mode"), [(HeadKind.davidson, Mode.full), (HeadKind.mlp, Mode.frozen)])
def test_a_second_order_that_is_read_in_any_case_cannot_be_saved(head: HeadKind, mode: Mode, tiny_bert: Path) -> None:
    pairing, training = PairingSettings(Pairing.cross, 0.2), TrainingSettings(mode=mode)
    member = EncoderMember("bert", TextSettings(64), pairing, HeadSettings(head), training, path=str(tiny_bert))
    with pytest.raises(ConfigError, match="second_order_below"):
        member.fit(make_pairs(8), None, Context(1, np.zeros(8, dtype=np.int8)))
    with pytest.raises(ConfigError, match="pairing=siamese"):
        PairingSettings(Pairing.siamese, 0.2)


def test_both_orders_in_a_step_teach_the_same_whichever_response_is_called_a(tiny_bert: Path, tmp_path: Path) -> None:
    calm, pairs = without_dropout(tiny_bert, tmp_path), make_pairs(24)
    text, head = TextSettings(max_length=64), HeadSettings(HeadKind.linear, dropout=0.0)
    gaps = {}
    for swap in (Swap.none, Swap.both):
        training = TrainingSettings(
            lr=1e-3, head_lr=1e-2, epochs=2, batch_pairs=8, swap=swap, precision=Precision.fp32, token_budget=600
        )
        predictions = []
        for train in (pairs, pairs.swapped()):
            member = EncoderMember("bert", text, PairingSettings(Pairing.cross), head, training, path=str(calm))
            member.fit(train, None, Context(1, np.zeros(24, dtype=np.int8)))
            predictions.append(member.predict_proba(make_pairs(12, seed=1)))
        gaps[swap] = float(np.abs(predictions[0] - predictions[1]).max())
    assert gaps[Swap.both] < 1e-5 < 1e-3 < gaps[Swap.none]


class Reads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what makes the host wait for a GPU: numbers that are read, and masks that are counted."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        indices = args[1] if name in ("index", "index_put", "index_put_", "_index_put_impl_") else ()
        masked = any(index is not None and index.dtype is torch.bool for index in indices)
        self.count += masked or name in ("_local_scalar_dense", "item", "nonzero", "masked_select", "equal")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("pairing", [Pairing.siamese, Pairing.cross])
def test_micro_batches_are_not_waited_for(pairing: Pairing, tiny_bert: Path) -> None:
    """As many numbers are read in a step of many micro-batches as in a step of one, and in a prediction."""
    reads: list[list[int]] = []
    for budget in (100_000, 60):
        training = TrainingSettings(epochs=1, batch_pairs=8, token_budget=budget, precision=Precision.fp32)
        text, pairs = TextSettings(max_length=64), make_pairs(8)
        member = EncoderMember("bert", text, PairingSettings(pairing), training=training, path=str(tiny_bert))
        with Reads() as training_reads:
            member.fit(pairs, None, Context(1, np.zeros(8, dtype=np.int8)))
        with Reads() as prediction_reads:
            member.predict_proba(pairs)
        reads.append([training_reads.count, prediction_reads.count])
    assert reads[0] == reads[1]
    assert reads[0][1] == 0
