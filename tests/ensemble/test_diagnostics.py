"""What the diagnostics claim of members, checked by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from prefens.core import metrics
from prefens.core.metrics import log_loss, p_true
from prefens.core.types import Floats, MemberInfo, OOFStack
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.crossfit import cross_fit
from prefens.ensemble.diagnostics import diagnose, error_correlation, forward_curve, loo_gain, score_alarms
from tests.helpers.examples import alike_stack, make_stack, random_stack


def honest(stack: OOFStack) -> Floats:
    """(n, 3) cross-fitted predictions of the fitted weights."""
    return cross_fit([LogLossWeights()], stack)["log_loss"]


def by_source(stack: OOFStack) -> OOFStack:
    """The same stack in two folds that are sources; half of the prompts of the first are in the second, too."""
    rows = len(stack.folds.fold)
    fold, prompt = (np.arange(rows) >= rows // 3).astype(np.int8), np.arange(rows)
    prompt[-(rows // 6) :] = np.arange(rows // 6)
    group = np.array([f"g{number}" for number in prompt], dtype=object)
    return replace(stack, folds=replace(stack.folds, fold=fold, group=group, settings={"scheme": "source", "k": 2}))


@pytest.mark.parametrize("split", [lambda stack: stack, by_source], ids=["prompt", "source"])
def test_the_gain_is_what_blending_without_the_member_costs(split: Callable[[OOFStack], OOFStack]) -> None:
    stack = split(random_stack(5, 300, seed=1))
    label = stack.folds.label
    whole = log_loss(honest(stack), label)
    gain = loo_gain(metrics.p_true(stack.probabilities, stack.folds.label), stack.folds)
    for place in range(5):
        rest = np.arange(5) != place
        infos = tuple(info for info, kept in zip(stack.members, rest, strict=True) if kept)
        without = honest(OOFStack(infos, stack.probabilities[rest], stack.folds))
        assert gain[place] == pytest.approx(log_loss(without, label) - whole, abs=1e-7)


def test_a_single_member_has_no_gain_to_measure() -> None:
    stack = random_stack(1, 60, seed=0)
    diagnosis = diagnose(stack, resamples=10)
    assert np.isnan(diagnosis.loo_gain).all()
    assert diagnosis.forward == [pytest.approx(log_loss(stack.probabilities[0], stack.folds.label))]
    np.testing.assert_allclose(diagnosis.intervals, [[1.0, 1.0]])


@pytest.mark.parametrize("split", [lambda stack: stack, by_source], ids=["prompt", "source"])
def test_the_forward_curve_ends_at_the_blend_of_all(split: Callable[[OOFStack], OOFStack]) -> None:
    stack = split(random_stack(8, 400, seed=2))
    curve = forward_curve(metrics.p_true(stack.probabilities, stack.folds.label), stack.folds)
    assert curve[-1] == pytest.approx(log_loss(honest(stack), stack.folds.label), abs=1e-4)
    assert curve[0] >= min(log_loss(each, stack.folds.label) for each in stack.probabilities) - 1e-12
    assert 1 < len(curve) <= 8


def test_correlation_of_errors_is_that_of_their_definition() -> None:
    stack = random_stack(4, 200, seed=3)
    errors = (np.eye(3)[stack.folds.label] - stack.probabilities).reshape(4, -1)
    np.testing.assert_allclose(
        error_correlation(stack, p_true(stack.probabilities, stack.folds.label)), np.corrcoef(errors), atol=1e-12
    )


def test_near_duplicates_are_named() -> None:
    stack = random_stack(3, 200, seed=4)
    nudged = 0.999 * stack.probabilities[:1] + 0.001 / 3
    infos = (*stack.members, MemberInfo("copy", "b", 1))
    doubled = OOFStack(infos, np.concatenate([stack.probabilities, nudged]), stack.folds)
    assert diagnose(doubled, resamples=10).duplicates == [(0, 3)]
    assert diagnose(stack, resamples=10).duplicates == []


def test_weight_intervals_hold_the_weights_and_shrink_with_rows() -> None:
    widths = []
    for rows in (200, 5000):
        diagnosis = diagnose(random_stack(4, rows, seed=5), resamples=100)
        assert (diagnosis.intervals[:, 0] <= diagnosis.weights + 1e-6).all()
        assert (diagnosis.weights <= diagnosis.intervals[:, 1] + 1e-6).all()
        widths.append(float((diagnosis.intervals[:, 1] - diagnosis.intervals[:, 0]).max()))
    assert widths[1] < widths[0] / 2
    again = diagnose(random_stack(4, 200, seed=5), resamples=100, jobs=2)
    np.testing.assert_array_equal(again.intervals, diagnose(random_stack(4, 200, seed=5), resamples=100).intervals)


def test_a_member_that_knows_the_labels_raises_the_alarm() -> None:
    stack = alike_stack(4, 400, seed=6)
    leaky = stack.probabilities.copy()
    leaky[2] = 0.5 * leaky[2] + 0.5 * np.eye(3)[stack.folds.label]
    (alarm,) = score_alarms(OOFStack(stack.members, leaky, stack.folds))
    assert "m2" in alarm
    assert "labels" in alarm
    assert score_alarms(stack) == []


def test_two_seeds_with_the_same_leak_do_not_hide_each_other() -> None:
    stack = alike_stack(4, 400, seed=6)
    leaky = stack.probabilities.copy()
    leaky[2:] = 0.5 * leaky[2:3] + 0.5 * np.eye(3)[stack.folds.label]
    infos = tuple(
        replace(info, recipe="same" if place > 1 else f"r{place}") for place, info in enumerate(stack.members)
    )
    assert len(score_alarms(OOFStack(infos, leaky, stack.folds))) == 2


def test_several_leaks_and_a_single_one_are_seen() -> None:
    stack = alike_stack(5, 400, seed=6)
    leaky = stack.probabilities.copy()
    leaky[3:] = 0.1 * leaky[3:] + 0.9 * np.eye(3)[stack.folds.label]
    assert [alarm[:2] for alarm in score_alarms(OOFStack(stack.members, leaky, stack.folds))] == ["m3", "m4"]
    assert len(score_alarms(OOFStack(stack.members[:1], leaky[4:], stack.folds))) == 1


def test_mixed_up_columns_are_named() -> None:
    stack = alike_stack(3, 400, seed=6)
    mixed = stack.probabilities.copy()
    mixed[1] = mixed[1][:, [1, 2, 0]]
    (alarm,) = score_alarms(OOFStack(stack.members, mixed, stack.folds))
    assert "m1" in alarm
    assert "[2, 0, 1]" in alarm


def test_nothing_beats_the_truth() -> None:
    generator = np.random.default_rng(0)
    truth = generator.dirichlet([3, 3, 3], size=600)
    label = (generator.random((600, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    near = 0.9 * truth + 0.1 * np.eye(3)[label]
    stack = make_stack(np.stack([near, truth]), label)
    with_truth = replace(stack, folds=replace(stack.folds, truth=np.stack([truth, truth], axis=1)))
    (alarm,) = score_alarms(with_truth)
    assert alarm.startswith("m0")
    assert "true probabilities" in alarm
