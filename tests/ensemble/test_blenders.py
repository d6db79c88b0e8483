"""Laws of the blending methods, and of honest scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from prefens.ensemble.convex import LogLossWeights, certificate, minimise_log_loss
from prefens.ensemble.crossfit import cross_fit, evaluate
from prefens.ensemble.methods import METHODS, method
from prefens.ensemble.soft_vote import SoftVote
from prefens.errors import BlendError, ConfigError
from prefens.evaluation.metrics import log_loss
from prefens.records import SWAP, OOFStack
from tests.examples import make_stack, random_stack

stacks = st.builds(
    random_stack, st.integers(1, 7), st.sampled_from([3, 20, 200]), st.integers(0, 10_000), st.floats(0.2, 3.0)
)


@pytest.mark.parametrize("name", METHODS)
@given(stack=stacks)
@settings(max_examples=25, deadline=None)
def test_predictions_are_probabilities_on_the_simplex(name: str, stack: OOFStack) -> None:
    blender = method(name)().fit(stack)
    predicted = blender.predict(stack.probabilities)
    assert (predicted >= 0).all()
    np.testing.assert_allclose(predicted.sum(axis=1), 1.0, atol=1e-9)
    assert blender.weights is not None
    assert (blender.weights >= 0).all()
    assert blender.weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("name", METHODS)
@given(stack=stacks, seed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_permuting_members_permutes_weights(name: str, stack: OOFStack, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(stack.members))
    moved = OOFStack(tuple(stack.members[place] for place in order), stack.probabilities[order], stack.folds)
    first, second = method(name)().fit(stack), method(name)().fit(moved)
    np.testing.assert_allclose(first.predict(stack.probabilities), second.predict(moved.probabilities), atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
@given(stack=stacks)
@settings(max_examples=25, deadline=None)
def test_swapping_a_and_b_swaps_the_prediction(name: str, stack: OOFStack) -> None:
    swapped = make_stack(stack.probabilities[:, :, SWAP], SWAP[stack.folds.label])
    first, second = method(name)().fit(stack), method(name)().fit(swapped)
    np.testing.assert_allclose(
        first.predict(stack.probabilities)[:, SWAP], second.predict(swapped.probabilities), atol=1e-6
    )


@given(stack=stacks)
@settings(max_examples=40, deadline=None)
def test_fitted_weights_are_optimal(stack: OOFStack) -> None:
    true_class = stack.true_class()
    weights = minimise_log_loss(true_class)
    assert certificate(true_class, weights) <= 1e-6
    blended = -np.log(weights @ true_class).mean()
    assert blended <= -np.log(true_class).mean(axis=1).min() + 1e-9
    assert blended <= -np.log(true_class.mean(axis=0)).mean() + 1e-9


def test_fitted_weights_agree_with_a_general_solver() -> None:
    true_class = random_stack(6, 500, seed=3).true_class()
    found = minimize(
        lambda w: -np.log(w @ true_class).mean(),
        np.full(6, 1 / 6),
        jac=lambda w: -(true_class / (w @ true_class)).mean(axis=1),
        bounds=[(0, 1)] * 6,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-12},
    )
    ours = -np.log(minimise_log_loss(true_class) @ true_class).mean()
    assert ours <= found.fun + 1e-9


def test_certificate_is_positive_away_from_the_optimum() -> None:
    true_class = random_stack(4, 300, seed=1).true_class()
    best = minimise_log_loss(true_class)
    worst = np.eye(4)[np.argmin(best)]
    gap = -np.log(worst @ true_class).mean() + np.log(best @ true_class).mean()
    assert certificate(true_class, worst) >= gap > 0


@pytest.mark.parametrize("name", METHODS)
def test_certain_and_wrong_members_stay_finite(name: str) -> None:
    label = np.array([0, 1, 2] * 20)
    right, wrong = np.eye(3)[label], np.eye(3)[(label + 1) % 3]
    stack = make_stack(np.stack([right, wrong, np.full((60, 3), 1 / 3)]), label)
    result = evaluate(method(name), stack)
    assert np.isfinite([result.fitted, result.honest, result.honest_se]).all()
    if name == "log_loss":
        assert result.weights is not None
        assert result.weights[0] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_identical_members_and_a_single_one(name: str) -> None:
    stack = random_stack(1, 50, seed=0)
    doubled = OOFStack(stack.members * 3, np.repeat(stack.probabilities, 3, axis=0), stack.folds)
    expected = log_loss(stack.probabilities[0], stack.folds.label)
    for each in (stack, doubled):
        assert evaluate(method(name), each).honest == pytest.approx(expected, abs=1e-9)


@given(stack=stacks)
@settings(max_examples=25, deadline=None)
def test_fitted_is_never_worse_than_honest(stack: OOFStack) -> None:
    fitted = evaluate(LogLossWeights, stack)
    assert fitted.fitted <= fitted.honest + 1e-9
    voted = evaluate(SoftVote, stack)
    assert voted.fitted == pytest.approx(voted.honest, abs=1e-12)


def test_cross_fitting_never_sees_the_rows_it_predicts() -> None:
    stack = random_stack(4, 100, seed=5)
    before = cross_fit(LogLossWeights, stack)
    label = stack.folds.label.copy()
    changed = stack.folds.fold == 2
    label[changed] = (label[changed] + 1) % 3
    after = cross_fit(LogLossWeights, make_stack(stack.probabilities, label))
    np.testing.assert_array_equal(before[changed], after[changed])
    assert np.abs(before[~changed] - after[~changed]).max() > 1e-6


def test_refusals() -> None:
    stack = random_stack(3, 30, seed=0)
    with pytest.raises(BlendError, match=r"\(2, 30, 3\)"):
        SoftVote().fit(stack).predict(stack.probabilities[:2])
    with pytest.raises(BlendError, match="no rows"):
        SoftVote().fit(stack.rows(np.zeros(30, dtype=bool)))
    with pytest.raises(ConfigError, match="soft_vote, log_loss"):
        method("softvote")
