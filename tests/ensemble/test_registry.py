"""Laws of the blending methods: a table of method by law."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import softmax

from prefens.core import metrics
from prefens.core.errors import BlendError, ConfigError
from prefens.core.metrics import log_loss, swap_outcomes
from prefens.core.types import SWAP, MemberInfo, OOFStack, PairFeatures
from prefens.ensemble.base import Blender
from prefens.ensemble.calibration import KINDS, Calibrated
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.crossfit import cross_fit, evaluate
from prefens.ensemble.greedy import GreedySelection
from prefens.ensemble.log_pool import LogPool
from prefens.ensemble.registry import METHODS, method, restore
from prefens.ensemble.seed_average import SeedAverage
from prefens.ensemble.simplex_solver import certificate, minimize_log_loss
from prefens.ensemble.soft_vote import SoftVote
from prefens.ensemble.stacking import Stacking
from tests.helpers.examples import make_stack, random_stack

stacks = st.builds(
    random_stack,
    st.integers(1, 7),
    st.sampled_from([3, 20, 200]),
    st.integers(0, 10_000),
    st.floats(0.2, 3.0),
    st.sampled_from([3, 2]),
)
MAKE: dict[str, Callable[[], Blender]] = {
    **METHODS,
    "log_loss with shrinkage": lambda: LogLossWeights(shrinkage=[0.0, 0.1, 1.0]),
    "soft_vote+temperature": lambda: Calibrated(SoftVote(), KINDS["temperature"]()),
    "log_loss+vector": lambda: Calibrated(LogLossWeights(), KINDS["vector"]()),
}
OPTIMAL = ("log_loss", "log_pool")  # the convex ones without a penalty
every = pytest.mark.parametrize("name", MAKE)
optimal = pytest.mark.parametrize("name", OPTIMAL)


@every
@given(stack=stacks)
@settings(max_examples=10)
def test_predictions_are_probabilities(name: str, stack: OOFStack) -> None:
    blender = MAKE[name]().fit(stack)
    predicted = blender.predict(stack.probabilities)
    assert (predicted >= 0).all()
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-9)
    if blender.weights is not None:
        assert (blender.weights >= 0).all()
        assert blender.weights.sum() == pytest.approx(1.0)


@every
@given(stack=stacks, seed=st.integers(0, 100))
@settings(max_examples=10)
def test_permuting_members_permutes_weights(name: str, stack: OOFStack, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(stack.members))
    moved = OOFStack(tuple(stack.members[place] for place in order), stack.probabilities[order], stack.folds)
    first, second = MAKE[name]().fit(stack), MAKE[name]().fit(moved)
    np.testing.assert_allclose(first.predict(stack.probabilities), second.predict(moved.probabilities), atol=1e-4)
    if first.weights is not None and second.weights is not None:
        np.testing.assert_allclose(first.weights[order], second.weights, atol=1e-2)


@every
@given(stack=stacks)
@settings(max_examples=10)
def test_swapping_a_and_b_swaps_the_prediction(name: str, stack: OOFStack) -> None:
    swapped = make_stack(swap_outcomes(stack.probabilities), SWAP[stack.folds.label])
    blender = MAKE[name]().fit(stack)
    predicted = swap_outcomes(blender.predict(stack.probabilities))
    np.testing.assert_allclose(predicted, blender.predict(swapped.probabilities), atol=1e-12)  # the rule is equivariant
    again = MAKE[name]().fit(swapped)  # and so is the fit
    np.testing.assert_allclose(predicted, again.predict(swapped.probabilities), atol=1e-4)


@every
@given(stack=stacks)
@settings(max_examples=5)
def test_what_was_fitted_survives_json(name: str, stack: OOFStack) -> None:
    blender = MAKE[name]().fit(stack)
    again = restore(json.loads(json.dumps(blender.state())))
    np.testing.assert_array_equal(blender.predict(stack.probabilities), again.predict(stack.probabilities))
    np.testing.assert_array_equal(blender.used, again.used)


@pytest.mark.parametrize(
    "blender", [LogLossWeights([0.1, 1.0]), GreedySelection(3, 2, 0.9, 2, 7), Stacking([0.5, 2.0]), SoftVote()]
)
def test_a_restored_rule_has_the_settings_to_fit_others(blender: Blender) -> None:
    first, second = random_stack(3, 60, seed=0), random_stack(3, 60, seed=1)
    again = restore(json.loads(json.dumps(blender.fit(first).state())))
    expected = blender.fit(second).predict(second.probabilities)
    np.testing.assert_array_equal(again.fit(second).predict(second.probabilities), expected)


@pytest.mark.parametrize(
    ("settings_", "came"),
    [
        ({"rounds": 0}, "rounds=0"),
        ({"rounds": True}, "settings.rounds is True"),
        ({"bags": "many"}, "settings.bags is 'many'"),
        ([3], r"settings is \[3\]"),
    ],
)
def test_settings_of_a_stored_rule_are_checked(settings_: Any, came: str) -> None:
    state = GreedySelection().fit(random_stack(3, 30, seed=0)).state()
    with pytest.raises(BlendError, match=came):
        restore({**state, "settings": settings_})
    with pytest.raises(BlendError, match="settings of soft_vote"):
        restore({**SoftVote().fit(random_stack(3, 30, seed=0)).state(), "settings": {"rounds": 1}})
    assert restore({name: value for name, value in state.items() if name != "settings"}).state() == state


@every
@given(stack=stacks)
@settings(max_examples=5)
def test_unused_members_change_nothing(name: str, stack: OOFStack) -> None:
    blender = MAKE[name]().fit(stack)
    masked = np.where(blender.used[:, None, None], stack.probabilities, 1.0 / stack.folds.n_outcomes)
    np.testing.assert_allclose(blender.predict(masked), blender.predict(stack.probabilities), atol=1e-12)


@every
def test_hard_inputs_stay_finite(name: str) -> None:
    label = np.array([0, 1, 2] * 20)
    right, wrong = np.eye(3)[label], np.eye(3)[(label + 1) % 3]
    constant = np.full((60, 3), 1 / 3)
    for members in ([right, wrong, constant], [wrong], [constant], [right], [constant, constant], [right, wrong]):
        stack = make_stack(np.stack(members), label)
        (result,), _ = evaluate([MAKE[name]()], stack)
        assert np.isfinite([result.fitted, result.honest, result.honest_se]).all()
        assert np.isfinite(result.probabilities).all()
        np.testing.assert_allclose(result.probabilities.sum(axis=1), 1.0, atol=1e-9)


def awkward(seed: int) -> OOFStack:
    """Return a few rows of members that are sure, right, wrong, constant or sharp."""
    generator = np.random.default_rng(seed)
    rows = int(generator.choice([3, 4, 6, 12, 30]))
    one_kind = np.full(rows, generator.integers(3))
    label = generator.integers(0, 3, rows) if generator.random() < 0.7 else one_kind
    kinds = [
        lambda: np.eye(3)[generator.integers(0, 3, rows)],
        lambda: np.eye(3)[label],
        lambda: np.tile(np.eye(3)[generator.integers(0, 3)], (rows, 1)),
        lambda: np.tile(generator.dirichlet(np.ones(3)), (rows, 1)),
        lambda: generator.dirichlet(np.full(3, 0.3), rows),
    ]
    return make_stack(np.stack([kinds[generator.integers(5)]() for _ in range(generator.integers(1, 5))]), label)


@every
def test_small_and_awkward_stacks_can_be_fitted(name: str) -> None:
    for seed in range(30):
        stack = awkward(seed)
        predicted = MAKE[name]().fit(stack).predict(stack.probabilities)
        assert np.isfinite(predicted).all()
        np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-9)


def test_sure_and_wrong_rows_do_not_stop_the_pool() -> None:
    soft = np.array([[15, 49, 36], [13, 56, 31], [22, 55, 23], [26, 8, 66], [19, 65, 16], [71, 18, 11]]) / 100
    hard = np.eye(3)[[1, 1, 2, 2, 2, 1]]
    stack = make_stack(np.stack([soft, hard]), [1, 1, 2, 2, 1, 0])
    fitted = log_loss(LogPool().fit(stack).predict(stack.probabilities), stack.folds.label)
    assert fitted <= log_loss(soft, stack.folds.label) + 1e-9


@every
def test_one_kind_of_outcome(name: str) -> None:
    stack = random_stack(3, 40, seed=2)
    for outcome in range(3):
        only = make_stack(stack.probabilities, np.full(40, outcome))
        assert np.isfinite(MAKE[name]().fit(only).predict(stack.probabilities)).all()


@every
def test_a_single_member_and_its_copies(name: str) -> None:
    stack = random_stack(1, 60, seed=0)
    tripled = OOFStack(stack.members * 3, np.repeat(stack.probabilities, 3, axis=0), stack.folds)
    single, copies = (MAKE[name]().fit(each).predict(each.probabilities) for each in (stack, tripled))
    np.testing.assert_allclose(single, copies, atol=1e-6)


@optimal
@given(stack=stacks)
@settings(max_examples=40)
def test_the_fitted_blend_is_never_worse_than_a_member(name: str, stack: OOFStack) -> None:
    label = stack.folds.label
    fitted = log_loss(method(name)().fit(stack).predict(stack.probabilities), label)
    assert fitted <= min(log_loss(each, label) for each in stack.probabilities) + 1e-8
    if name == "log_loss":
        assert fitted <= log_loss(stack.probabilities.mean(axis=0), label) + 1e-8


@optimal
@given(stack=stacks, copied=st.integers(0, 100))
@settings(max_examples=10)
def test_a_copy_of_a_member_changes_no_prediction(name: str, stack: OOFStack, copied: int) -> None:
    place = copied % len(stack.members)
    longer = OOFStack(
        (*stack.members, MemberInfo("copy", "b", 0)),
        np.concatenate([stack.probabilities, stack.probabilities[place : place + 1]]),
        stack.folds,
    )
    first, second = method(name)().fit(stack), method(name)().fit(longer)
    np.testing.assert_allclose(first.predict(stack.probabilities), second.predict(longer.probabilities), atol=1e-3)
    losses = [
        log_loss(blender.predict(each.probabilities), stack.folds.label)
        for blender, each in ((first, stack), (second, longer))
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)  # what separable rows lack of their optimum at infinity


@pytest.mark.parametrize("name", [*OPTIMAL, "soft_vote+temperature"])
@given(stack=stacks)
@settings(max_examples=10)
def test_honest_is_never_better_than_fitted(name: str, stack: OOFStack) -> None:
    # The sum over folds of what each loses with weights fitted elsewhere is at least what the common optimum loses.
    (result,), _ = evaluate([MAKE[name]()], stack)
    assert result.fitted <= result.honest + 1e-7


@pytest.mark.parametrize("name", ["soft_vote", "seed_average"])
def test_what_fits_nothing_scores_the_same_either_way(name: str) -> None:
    (result,), _ = evaluate([MAKE[name]()], random_stack(5, 100, seed=1))
    assert result.fitted == pytest.approx(result.honest, abs=1e-12)


@given(stack=stacks)
@settings(max_examples=40)
def test_log_loss_weights_carry_their_certificate(stack: OOFStack) -> None:
    p_true = metrics.p_true(stack.probabilities, stack.folds.label)
    weights = LogLossWeights().fit(stack).weights
    assert weights is not None
    assert certificate(p_true, weights) <= 1e-8
    gradient = -(p_true / (weights @ p_true)).mean(axis=1)  # KKT: -1 where a weight is positive, -1 or more elsewhere
    assert (gradient >= -1.0 - 1e-6).all()
    np.testing.assert_allclose(gradient[weights > 1e-4], -1.0, atol=1e-4)


@given(stack=stacks)
@example(stack=random_stack(4, 3, 1, 2.0))  # separable rows: exponents so large that exp of a plain sum is zero
@settings(max_examples=40)
def test_the_pool_meets_its_optimality_conditions(stack: OOFStack) -> None:
    exponents = LogPool().fit(stack).exponents
    logs, label = np.log(stack.probabilities), stack.folds.label

    def loss(power: np.ndarray) -> float:
        return log_loss(softmax(np.tensordot(power, logs, axes=1), axis=1), label)

    step = 1e-5
    for place in range(len(exponents)):
        nudge = step * np.eye(len(exponents))[place]
        slope = (loss(exponents + nudge) - loss(exponents - nudge)) / (2 * step)
        assert slope >= -1e-4
        if exponents[place] > 1e-3:
            assert abs(slope) < 1e-4


def test_the_certificate_bounds_the_distance_to_the_optimum() -> None:
    stack = random_stack(4, 300, seed=1)
    p_true = metrics.p_true(stack.probabilities, stack.folds.label)
    best = minimize_log_loss(p_true)
    worst = np.eye(4)[np.argmin(best)]
    gap = -np.log(worst @ p_true).mean() + np.log(best @ p_true).mean()
    assert certificate(p_true, worst) >= gap > 0


@pytest.mark.parametrize("shrinkage", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("counted", [False, True])
def test_weights_agree_with_a_general_solver(shrinkage: float, counted: bool) -> None:
    stack = random_stack(6, 500, seed=3)
    p_true = metrics.p_true(stack.probabilities, stack.folds.label)
    counts = np.random.default_rng(0).integers(0, 4, size=500).astype(float) if counted else np.ones(500)
    counts /= counts.mean()

    def objective(w: np.ndarray) -> float:
        return float(-(counts * np.log(w @ p_true)).mean() + shrinkage * np.square(w - 1 / 6).sum())

    general = minimize(
        objective,
        np.full(6, 1 / 6),
        bounds=[(0, 1)] * 6,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-12},
    )
    ours = minimize_log_loss(p_true, counts if counted else None, shrinkage)
    assert objective(ours) <= general.fun + 1e-9
    np.testing.assert_allclose(ours, general.x, atol=1e-3)


def test_many_members_and_single_precision() -> None:
    stack = random_stack(150, 9000, seed=4)
    p_true = metrics.p_true(stack.probabilities, stack.folds.label)
    weights = minimize_log_loss(p_true)
    assert certificate(p_true, weights) <= 1e-8
    single = minimize_log_loss(p_true.astype(np.float32))
    assert -np.log(single @ p_true).mean() == pytest.approx(-np.log(weights @ p_true).mean(), abs=1e-7)


def test_strong_shrinkage_is_a_soft_vote() -> None:
    stack = random_stack(5, 200, seed=2)
    np.testing.assert_allclose(LogLossWeights(shrinkage=[1e4]).fit(stack).weights, 0.2, atol=1e-4)
    with pytest.raises(ConfigError, match="shrinkage"):
        LogLossWeights(shrinkage=[])


def test_seeds_share_the_weight_of_their_recipe() -> None:
    stack = random_stack(4, 30, seed=0)
    recipes = ["x", "x", "x", None]
    infos = tuple(MemberInfo(f"m{place}", "b", place, recipe) for place, recipe in enumerate(recipes))
    weights = SeedAverage().fit(OOFStack(infos, stack.probabilities, stack.folds)).weights
    np.testing.assert_allclose(weights, [1 / 6, 1 / 6, 1 / 6, 1 / 2])


def test_class_weights_never_lose_to_simplex_weights_in_sample() -> None:
    for seed in range(5):
        stack = random_stack(6, 300, seed=seed)
        losses = {
            name: log_loss(method(name)().fit(stack).predict(stack.probabilities), stack.folds.label)
            for name in ("class_weights", "log_loss")
        }
        assert losses["class_weights"] <= losses["log_loss"] + 1e-8


def test_class_weights_mend_members_that_never_say_tie() -> None:
    generator = np.random.default_rng(0)
    label = generator.choice(3, size=2000, p=[0.3, 0.3, 0.4])
    blind = np.tile([0.45, 0.45, 0.1], (2000, 1))
    certain = np.tile([0.1, 0.1, 0.8], (2000, 1))
    stack = make_stack(np.stack([blind, certain]), label)
    predicted = MAKE["class_weights"]().fit(stack).predict(stack.probabilities)
    np.testing.assert_allclose(predicted[0], np.array([0.3, 0.3, 0.4]), atol=0.03)


def test_greedy_takes_the_best_prefix() -> None:
    stack = random_stack(5, 200, seed=6)
    fitted = log_loss(MAKE["greedy"]().fit(stack).predict(stack.probabilities), stack.folds.label)
    assert fitted <= min(log_loss(each, stack.folds.label) for each in stack.probabilities) + 1e-12
    best = log_loss(LogLossWeights().fit(stack).predict(stack.probabilities), stack.folds.label)
    assert best - 1e-9 <= fitted <= best + 2e-3


def test_greedy_bags_members_by_name() -> None:
    stack = random_stack(20, 200, seed=7)
    order = np.random.default_rng(1).permutation(20)
    moved = OOFStack(tuple(stack.members[place] for place in order), stack.probabilities[order], stack.folds)
    first, second = (MAKE["greedy"]().fit(each).weights for each in (stack, moved))
    assert first is not None
    np.testing.assert_allclose(first[order], second)
    assert (first > 0).sum() > 2


def test_temperature_finds_what_sharpened_the_truth() -> None:
    generator = np.random.default_rng(0)
    truth = generator.dirichlet([2, 2, 2], size=20_000)
    label = (generator.random((20_000, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    sharp = truth**2 / (truth**2).sum(axis=1, keepdims=True)
    fitted = KINDS["temperature"]().fit(sharp, label.astype(np.int8))
    assert fitted.coefficients[0] == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(fitted.apply(sharp), truth, atol=0.02)


def test_stacking_learns_from_features_of_the_pairs() -> None:
    stack = random_stack(3, 400, seed=8)
    odd = (stack.folds.label == 0) * 1.0 - (stack.folds.label == 1) + np.random.default_rng(0).normal(size=400)
    features = PairFeatures(("o",), ("e", "constant"), odd[:, None], np.column_stack([np.abs(odd), np.ones(400)]))
    with_features = OOFStack(stack.members, stack.probabilities, stack.folds, features)
    plain, styled = Stacking().fit(with_features), Stacking(style=True).fit(with_features)
    label = stack.folds.label
    with_style = styled.predict(with_features.probabilities, features)
    assert log_loss(with_style, label) < log_loss(plain.predict(with_features.probabilities), label) - 0.1
    swapped = PairFeatures(("o",), ("e", "constant"), -features.odd, features.even)
    np.testing.assert_allclose(
        styled.predict(with_features.probabilities[:, :, SWAP], swapped)[:, SWAP], with_style, atol=1e-12
    )
    again = restore(json.loads(json.dumps(styled.state())))
    assert again.wants_features
    np.testing.assert_array_equal(again.predict(with_features.probabilities, features), with_style)
    with pytest.raises(ConfigError, match=r"data\.path"):
        Stacking(style=True).fit(stack)
    with pytest.raises(ConfigError, match=r"data\.path"):
        styled.predict(stack.probabilities)


def test_cross_fitting_never_sees_the_rows_it_predicts() -> None:
    stack = random_stack(4, 100, seed=5)
    label = stack.folds.label.copy()
    changed = stack.folds.fold == 2
    label[changed] = (label[changed] + 1) % 3
    both = stack, make_stack(stack.probabilities, label)
    for make in MAKE.values():
        (before,), (after,) = (cross_fit([make()], each).values() for each in both)
        np.testing.assert_array_equal(before[changed], after[changed])
    before, after = (cross_fit([LogLossWeights()], each)["log_loss"] for each in both)
    assert np.abs(before[~changed] - after[~changed]).max() > 1e-6


@every
def test_two_outcomes_are_three_without_ties(name: str) -> None:
    two = random_stack(4, 200, seed=9, outcomes=2)
    blender = MAKE[name]().fit(two)
    assert blender.predict(two.probabilities).shape == (200, 2)
    state = json.loads(json.dumps(blender.state()))
    assert state.get("base", state)["outcomes"] == 2
    never = np.zeros((4, 200, 1)) + 1e-12  # members that all but rule out a tie, on rows that have none
    three = make_stack(np.concatenate([two.probabilities * (1 - 1e-12), never], axis=2), two.folds.label)
    fitted = [log_loss(MAKE[name]().fit(each).predict(each.probabilities), two.folds.label) for each in (two, three)]
    assert fitted[0] == pytest.approx(fitted[1], abs=1e-4)
    with pytest.raises(BlendError, match=r"\(4, 200, 3\)"):
        blender.predict(three.probabilities)


def test_refusals() -> None:
    stack = random_stack(3, 30, seed=0)
    with pytest.raises(BlendError, match=r"\(2, 30, 3\)"):
        SoftVote().fit(stack).predict(stack.probabilities[:2])
    with pytest.raises(BlendError, match="no rows"):
        SoftVote().fit(stack.rows(np.zeros(30, dtype=bool)))
    with pytest.raises(BlendError, match="two or more"):
        evaluate([SoftVote()], stack.rows(stack.folds.fold == 0))
    with pytest.raises(ConfigError, match="soft_vote, seed_average"):
        method("softvote")
    with pytest.raises(ConfigError, match="share"):
        METHODS["greedy"](share=0.0)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="ridges"):
        Stacking(ridges=[1.0, 0.1])
    for wrong in (float("nan"), float("inf"), -1.0):
        with pytest.raises(ConfigError, match="shrinkage"):
            LogLossWeights(shrinkage=[wrong])
        with pytest.raises(ConfigError, match="ridges"):
            Stacking(ridges=[wrong])
