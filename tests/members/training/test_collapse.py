"""Guards: what has collapsed, is not finite, or does not fit into memory; and the choice of an epoch."""

import itertools
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prefens.core.errors import CollapseError, TrainingError
from prefens.core.teaching import Targets
from prefens.data.text.settings import TextSettings
from prefens.members.base import Context, FitReport
from prefens.members.encoder import EncoderMember
from prefens.members.nn.heads import HeadSettings
from prefens.members.nn.pair_model import PairModel, pair_batch
from prefens.members.training import loop
from prefens.members.training.collapse import CHANCE_GAIN_NATS, CollapseGuard
from prefens.members.training.oom import TokenBudget
from prefens.members.training.settings import GuardSettings, Schedule, Swap, TrainingSettings
from tests.helpers.encoders import without_dropout
from tests.helpers.examples import make_pairs, make_tiny_encoder

CUDA, CPU = torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")
PAIRS = make_pairs(60)
INNER = np.arange(60, dtype=np.int8) // 4 % 5  # make_pairs repeats prompts within blocks of five only


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder without dropout."""
    folder = tmp_path_factory.mktemp("calm")
    return without_dropout(make_tiny_encoder("bert", folder / "bert"), folder)


def fit(path: Path, **settings: Any) -> tuple[EncoderMember, FitReport]:
    quick: dict[str, Any] = {"lr": 1e-3, "head_lr": 1e-2, "epochs": 2, "batch_pairs": 12, "token_budget": 400}
    training = TrainingSettings(**quick | settings)
    head = HeadSettings(hidden=8, dropout=0.0)
    member = EncoderMember("bert", path=str(path), text=TextSettings(max_length=64), head=head, training=training)
    return member, member.fit(PAIRS, None, Context(1, INNER))


@pytest.fixture(scope="module")
def undisturbed(calm: Path) -> tuple[EncoderMember, FitReport]:
    return fit(calm)


def predicted(member: EncoderMember) -> np.ndarray:
    return member.predict_proba(make_pairs(30, seed=3))


def failing(monkeypatch: pytest.MonkeyPatch, fails: Callable[[int, int], BaseException | None]) -> None:
    """Have forward passes fail as `fails` says of their number, from 1, and of the pairs in them."""
    passes = itertools.count(1)

    def batch_of(tokens: Any, rows: Any, *more: Any, **named: Any) -> Any:
        error = fails(next(passes), len(rows))
        if error is not None:
            raise error
        return pair_batch(tokens, rows, *more, **named)

    monkeypatch.setattr(loop, "pair_batch", batch_of)


@pytest.mark.parametrize("error", [CUDA, CPU, MemoryError()], ids=["cuda", "cpu", "python"])
@pytest.mark.parametrize("number", [1, 5])
def test_memory_that_runs_out_once_changes_nothing_but_the_budget(
    error: BaseException,
    number: int,
    calm: Path,
    undisturbed: tuple[EncoderMember, FitReport],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole, before = undisturbed
    failing(monkeypatch, lambda count, pairs: error if count == number and pairs > 1 else None)
    with caplog.at_level(logging.WARNING):
        again, report = fit(calm)
    assert "out of memory with 400 tokens" in caplog.text
    assert report.metrics["token_budget"] < before.metrics["token_budget"] == 400
    np.testing.assert_allclose(report.curves["train_loss"], before.curves["train_loss"], atol=1e-4)
    np.testing.assert_allclose(predicted(again), predicted(whole), atol=1e-4)


def test_a_pair_that_does_not_fit_alone_is_an_error(calm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, lambda count, pairs: CUDA)
    with pytest.raises(TrainingError, match="one pair"):
        fit(calm)


def test_other_errors_are_not_taken_for_a_lack_of_memory(calm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, lambda count, pairs: RuntimeError("mat1 and mat2 shapes"))
    with pytest.raises(RuntimeError, match="shapes"):
        fit(calm)


def test_prediction_too_takes_less_at_a_time(calm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    member, _ = fit(calm)
    whole = predicted(member)
    failing(monkeypatch, lambda count, pairs: CPU if pairs > 2 else None)
    np.testing.assert_allclose(predicted(member), whole, atol=1e-6)
    failing(monkeypatch, lambda count, pairs: CPU)
    with pytest.raises(TrainingError, match="one pair"):
        predicted(member)


def test_random_numbers_are_drawn_again_after_memory_ran_out() -> None:
    drawn: list[float] = []
    sizes = iter([None, CPU, None, None, None, None])

    def work(part: np.ndarray) -> None:
        drawn.append(float(torch.rand(1)))
        error = next(sizes)
        if error is not None:
            raise error

    torch.manual_seed(0)
    budget = TokenBudget(40)
    budget.run(work, np.arange(4), np.full(4, 20), drawn.clear)
    torch.manual_seed(0)
    assert drawn == [float(torch.rand(1)) for _ in range(4)]
    assert budget.tokens == 20


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(0, 2000))
def test_a_collapse_is_judged_once_at_half_the_schedule_and_not_too_soon(sizes: list[int], least: int) -> None:
    label = np.array([0, 0, 1, 2], dtype=np.int8)
    plan = [np.arange(size) % 4 for size in sizes]
    guard = CollapseGuard.for_plan(Targets.of_votes(label, 3), plan, least)
    losses = np.log([7 / 3, 7 / 3, 7 / 2, 7 / 2])  # of each label, by Laplace's rule
    assert guard.prior_losses == pytest.approx([losses[step].mean() for step in plan])
    judged = []
    for count in range(1, len(sizes) + 1):
        prior = np.array(guard.prior_losses[:count])
        guard.check((prior - 1.1 * CHANCE_GAIN_NATS).tolist())
        last = np.arange(count) >= count - max(1, count // 4)
        try:
            guard.check(np.where(last, prior - 0.9 * CHANCE_GAIN_NATS, 0.0).tolist())
        except CollapseError:
            judged.append(count)
    pairs = np.cumsum(sizes)
    ready = [count for count in range(1, len(sizes) + 1) if 2 * count >= len(sizes) and pairs[count - 1] >= least]
    assert judged == ready[:1]


def test_a_training_that_learns_nothing_is_stopped_half_way(calm: Path) -> None:
    nothing = {"lr": 1e-12, "head_lr": 1e-12, "guard": GuardSettings(min_pairs=0)}
    with pytest.raises(CollapseError, match="after 5 of 10 steps: nothing is learned"):
        fit(calm, **nothing)
    fit(calm, **nothing | {"guard": GuardSettings(min_pairs=61)} | {"epochs": 1})


def test_what_label_smoothing_costs_is_no_collapse() -> None:
    """A model that is right 6 times in 10, and says so as far as smoothing lets it, loses more than ln 2 a pair."""
    label = np.array([0] * 500 + [1] * 500, dtype=np.int8)
    guard = CollapseGuard.for_plan(Targets.of_votes(label, 3), [np.arange(1000)], 0, symmetric=True, smoothing=0.1)
    predicted = np.array([0.6, 0.4]) * 0.9 + 0.1 / 3
    loss = -float(np.array([0.6, 0.4]) @ np.log(predicted))
    assert loss > math.log(2)
    guard.check([loss])
    with pytest.raises(CollapseError):
        guard.check([-math.log(0.5 * 0.9 + 0.1 / 3)])


def test_a_training_with_smoothing_that_learns_nothing_is_stopped(calm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ties never happen too: a fresh head gives what the smoothed prior is."""
    decided = replace(PAIRS, label=np.arange(60, dtype=np.int8) % 2)
    monkeypatch.setattr("tests.members.training.test_collapse.PAIRS", decided)
    with pytest.raises(CollapseError, match="nothing is learned"):
        fit(calm, lr=1e-12, head_lr=1e-12, label_smoothing=0.3, guard=GuardSettings(min_pairs=0))


def test_a_training_that_is_stopped_early_is_judged_at_its_end(calm: Path) -> None:
    nothing = {"lr": 1e-12, "head_lr": 1e-12, "epochs": 40, "patience": 1}
    with pytest.raises(CollapseError, match=r"after \d+ of 160 steps"):
        fit(calm, **nothing, guard=GuardSettings(min_pairs=50))
    assert (
        len(fit(calm, **nothing, guard=GuardSettings(min_pairs=1500))[1].curves["train_loss"]) < 80
    )  # too few to tell


@pytest.mark.parametrize("swap", Swap)
def test_a_side_that_always_wins_is_no_collapse_of_what_cannot_see_sides(
    swap: Swap, calm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_sided = replace(PAIRS, label=np.zeros(60, dtype=np.int8))
    monkeypatch.setattr("tests.members.training.test_collapse.PAIRS", one_sided)
    member, report = fit(calm, epochs=6, lr=2e-3, head_lr=2e-2, swap=swap, guard=GuardSettings(min_pairs=0))
    assert report.curves["train_loss"][-1] < 1.0  # ties never happen; more there is not to learn
    assert predicted(member)[:, 2].max() < 0.3


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_finite_names_its_step(what: str, calm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(self: PairModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        logits = forward(self, batch)
        if what == "loss":
            return logits * torch.nan
        logits.register_hook(lambda gradient: gradient * torch.inf)
        return logits

    forward = PairModel.forward
    monkeypatch.setattr(PairModel, "forward", spoilt)
    with pytest.raises(TrainingError, match=rf"a (training )?{what} of (nan|inf) at step 1 of 10"):
        fit(calm)


def test_swaps_change_nothing_for_an_equivariant_head(calm: Path) -> None:
    plain, *others = (fit(calm, swap=swap) for swap in Swap)
    for swapped in others:
        np.testing.assert_allclose(plain[1].curves["train_loss"], swapped[1].curves["train_loss"], atol=1e-4)
        np.testing.assert_allclose(predicted(plain[0]), predicted(swapped[0]), atol=1e-4)


def test_gradient_checkpointing_changes_no_result(calm: Path) -> None:
    plain, saving = (fit(calm, gradient_checkpointing=on)[0] for on in (False, True))
    np.testing.assert_allclose(predicted(plain), predicted(saving), atol=1e-5)


def inner_losses(member: EncoderMember) -> float:
    rows = np.flatnonzero(INNER == 0)
    probabilities = member.predict_proba(PAIRS.take(rows))
    return -float(np.log(probabilities[np.arange(len(rows)), PAIRS.labels[rows]]).mean())


@pytest.mark.parametrize("more", [{}, {"ema": 0.5}, {"schedule": Schedule.plateau}], ids=str)
def test_the_epoch_with_the_best_inner_loss_predicts(more: dict[str, Any], calm: Path) -> None:
    member, report = fit(calm, epochs=30, patience=2, lr=3e-3, head_lr=3e-2, warmup=0.0, **more)
    inner = list(report.curves["inner_loss"])
    assert len(inner) < 30
    assert len(inner) - 1 - int(np.argmin(inner)) == 2
    assert len(report.curves["train_loss"]) == len(inner) * 4  # 48 of 60 pairs in steps of 12
    assert report.metrics["best_epoch"] == int(np.argmin(inner)) + 1
    assert inner_losses(member) == pytest.approx(min(inner), abs=1e-5)


def test_nothing_is_left_out_of_a_fixed_schedule(calm: Path) -> None:
    assert "inner_loss" not in fit(calm)[1].curves


def test_pairs_of_one_prompt_cannot_be_split(calm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.members.training.test_collapse.INNER", np.zeros(60, dtype=np.int8))
    with pytest.raises(TrainingError, match="patience=null"):
        fit(calm, patience=1)


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    yield
    assert torch.is_grad_enabled()
