"""What a training is told to do: settings, weights and their rates, schedules, swaps, averages."""

import itertools
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from prefens.core.errors import ConfigError
from prefens.members.nn.heads import HeadSettings
from prefens.members.nn.pair_model import PairModel
from prefens.members.nn.pretrained import load_encoder
from prefens.members.nn.textcnn import TextCnn
from prefens.members.textcnn import TextCnnMember
from prefens.members.training import loop, optimizer
from prefens.members.training.batching import plan_steps
from prefens.members.training.dataset import swapped_rows
from prefens.members.training.ema import ema_model
from prefens.members.training.optimizer import layer_depths, make_optimizer
from prefens.members.training.schedule import LearningRates
from prefens.members.training.settings import GuardSettings, OptimizerKind, Schedule, Swap, TrainingSettings

NAN = float("nan")


@pytest.mark.parametrize(
    "bad",
    [
        {"lr": 0.0}, {"lr": NAN}, {"epochs": 0}, {"batch_pairs": -1}, {"clip": float("inf")}, {"weight_decay": -0.1},
        {"min_steps": -1}, {"label_smoothing": 1.0}, {"ema": 1.0}, {"ema": -0.1}, {"warmup": 1.5}, {"warmup": NAN},
        {"layer_decay": 0.0}, {"layer_decay": 1.1}, {"patience": 0}, {"checkpoint_minutes": -1.0},
    ],
    ids=str,
)  # fmt: skip
def test_bad_settings_are_named(bad: dict[str, float]) -> None:
    (name,) = bad
    with pytest.raises(ConfigError, match=rf"training\.{name}="):
        TrainingSettings(**bad)  # type: ignore[arg-type]


def test_a_guard_that_is_no_number_of_pairs_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_pairs"):
        GuardSettings(min_pairs=-1)


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 3), st.integers(0, 100))
def test_small_sets_have_more_epochs_and_large_ones_do_not(
    count: int, batch_pairs: int, epochs: int, least: int
) -> None:
    usual, more = plan_steps(count, batch_pairs, epochs, 0), plan_steps(count, batch_pairs, epochs, 0, least)
    assert len(more) >= max(least, len(usual))
    assert len(more) - least < len(usual) / epochs or len(more) == len(usual)
    for one, other in zip(usual, more, strict=False):
        np.testing.assert_array_equal(one, other)


def test_rates_fall_from_layer_to_layer_and_only_matrices_decay(tiny_encoder: Path) -> None:
    model = PairModel(load_encoder(tiny_encoder), HeadSettings(hidden=8))
    made = make_optimizer(model, TrainingSettings(lr=1.0, head_lr=7.0, layer_decay=0.5, weight_decay=0.1))
    names = {id(weight): name for name, weight in model.named_parameters()}
    rates = {names[id(weight)]: group["lr"] for group in made.param_groups for weight in group["params"]}
    assert set(rates) == set(names.values())
    by_place = defaultdict(set)
    for name, rate in rates.items():
        layer = name.replace(".layers.", ".layer.").partition(".layer.")[2][:1]
        by_place["head" if name.startswith("head") else "embed" if "embed" in name else layer or "top"].add(rate)
    assert by_place["embed"] == {0.25}
    assert by_place["0"] == {0.5}
    assert by_place["1"] == {1.0}
    assert by_place["top"] <= {1.0}
    assert by_place["head"] == {7.0}
    for group in made.param_groups:
        assert group["weight_decay"] == (0.1 if group["params"][0].ndim > 1 else 0.0)
        assert len({weight.ndim > 1 for weight in group["params"]}) == 1


def test_weights_without_gradients_are_left_out(tiny_bert: Path) -> None:
    model = PairModel(load_encoder(tiny_bert), HeadSettings(hidden=8))
    model.encoder.requires_grad_(False)
    made = make_optimizer(model, TrainingSettings())
    chosen = {id(weight) for group in made.param_groups for weight in group["params"]}
    assert chosen == {id(weight) for weight in model.head.parameters()}


def test_an_encoder_without_layers_is_one_layer() -> None:
    assert set(layer_depths(TextCnn(10, 0, 4, 4, [1, 3], 0.0)).values()) == {0}


def rates_of(settings: TrainingSettings, count: int, losses: list[float] | None = None, per_epoch: int = 5) -> list:
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule, rates = LearningRates(sgd, settings, count), []
    for step in range(count):
        rates.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
        if losses is not None and (step + 1) % per_epoch == 0:
            schedule.end_epoch(losses[step // per_epoch])
    return rates


@pytest.mark.parametrize("schedule", list(Schedule))
def test_schedules_warm_up_and_go_down_as_they_promise(schedule: Schedule) -> None:
    settings = TrainingSettings(schedule=schedule, warmup=0.25)
    rates = rates_of(settings, 20, [1.0, 0.9, 0.95, 0.8])
    np.testing.assert_allclose(rates[:6], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    last = {Schedule.cosine: 0.01, Schedule.linear: 1 / 15, Schedule.constant: 1.0, Schedule.plateau: 0.5}[schedule]
    assert rates[-1] == pytest.approx(last, abs=2e-3)
    assert all(after <= before for before, after in itertools.pairwise(rates[5:]))


@given(st.integers(0, 1000), st.integers(0, 9))
def test_swaps_are_drawn_anew_every_epoch_and_again_the_same(seed: int, epoch: int) -> None:
    random = TrainingSettings(swap=Swap.random)
    drawn = swapped_rows(400, random, seed, epoch)
    np.testing.assert_array_equal(drawn, swapped_rows(400, random, seed, epoch))
    assert 120 < drawn.sum() < 280
    assert (drawn != swapped_rows(400, random, seed, epoch + 1)).any()
    assert not swapped_rows(400, TrainingSettings(), seed, epoch).any()


def test_the_average_follows_the_weights_and_forgets_the_first() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = ema_model(model, 0.9)
    assert average is not None
    assert ema_model(model, 0.0) is None
    expected = None
    for step in range(40):
        nn.init.constant_(model.weight, step)
        average.update_parameters(model)
        keep = min(0.9, (1 + step) / (10 + step))
        expected = float(step) if expected is None else keep * expected + (1 - keep) * step
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)
    nn.init.constant_(model.weight, 3.0)
    for _ in range(200):
        average.update_parameters(model)
    assert average.module.weight.item() == pytest.approx(3.0)


def test_activations_are_recomputed_above_a_billion_parameters_unless_the_setting_says_otherwise() -> None:
    for chosen, small, large in ((None, False, True), (True, True, True), (False, False, False)):
        settings = TrainingSettings(gradient_checkpointing=chosen)
        assert settings.resolved(True, 10**9).gradient_checkpointing is small
        assert settings.resolved(True, 10**9 + 1).gradient_checkpointing is large


def test_moments_in_8_bits_are_those_of_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    class AdamW8bit(torch.optim.AdamW):
        pass

    monkeypatch.setitem(sys.modules, "bitsandbytes", SimpleNamespace())  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", SimpleNamespace(AdamW8bit=AdamW8bit))  # type: ignore[arg-type]
    monkeypatch.setattr(optimizer, "require_bitsandbytes", lambda setting, instead: None)
    model = PairModel(TextCnn(10, 0, 4, 4, [1, 3], 0.0), HeadSettings(hidden=8))
    made = optimizer.make_optimizer(model, TrainingSettings(optimizer=OptimizerKind.adamw_8bit))
    assert type(made) is AdamW8bit
    assert type(make_optimizer(model, TrainingSettings())) is torch.optim.AdamW


def test_a_textcnn_has_no_layers_to_checkpoint() -> None:
    from prefens.members.base import Context
    from tests.helpers.examples import make_pairs

    member = TextCnnMember("t", training=TrainingSettings(gradient_checkpointing=True), vocabulary=50, filters=2)
    with pytest.raises(ConfigError, match="gradient_checkpointing"):
        member.fit(make_pairs(20), None, Context(0, np.zeros(20, dtype=np.int8)))


def test_every_family_checkpoints_gradients_or_says_that_it_cannot(tiny_encoder: Path) -> None:
    model = PairModel(load_encoder(tiny_encoder), HeadSettings(hidden=8))
    if model.encoder.config.model_type == "mpnet":
        with pytest.raises(ConfigError, match="gradient_checkpointing"):
            loop.enable_gradient_checkpointing(model)
        return
    loop.enable_gradient_checkpointing(model)
    assert any(getattr(module, "gradient_checkpointing", False) for module in model.encoder.modules())
