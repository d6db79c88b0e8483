"""The symmetric regression equals ordinary multinomial regression on swap-augmented rows."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from prefens.core.symmetric_logistic import INTERCEPT_PENALTY, STOP_EVERY, SymmetricLogistic, fit_lbfgs, fit_newton
from prefens.core.teaching import NO_VOTE, Targets
from prefens.core.types import SWAP

Data = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def data(generator: np.random.Generator) -> Data:
    odd, even = generator.normal(size=(300, 4)), generator.normal(size=(300, 3))
    margin = odd @ [1.0, -0.5, 0.2, 0.0] + generator.normal(size=300)
    tied = even[:, 0] + generator.normal(size=300) > 0.8
    return odd, even, np.where(tied, 2, np.where(margin > 0, 0, 1)).astype(np.int8)


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_equals_scikit_learn_on_augmented_rows(data: Data, strength: float) -> None:
    odd, even, label = data
    ours = fit_lbfgs(odd, even, Targets.of_votes(label, 3), strength, tolerance=1e-9)
    both = np.concatenate([np.hstack([odd, even]), np.hstack([-odd, even])])
    theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(both, np.concatenate([label, SWAP[label]]))
    np.testing.assert_allclose(ours.predict_proba(odd, even), theirs.predict_proba(np.hstack([odd, even])), atol=1e-4)


def test_both_solvers_find_the_same_weights(data: Data) -> None:
    odd, even, label = data
    strength = 0.5
    model = fit_lbfgs(odd, even, Targets.of_votes(label, 3), strength, tolerance=1e-9)
    penalty = np.concatenate([np.ones(4) / strength, np.full(3, 1 / 3 / strength), [INTERCEPT_PENALTY]])
    with_ones = np.column_stack([even, np.ones(len(label))])
    point = fit_newton(lambda rows: (odd[rows].T, with_ones[rows].T), label, np.zeros(8), ridge=penalty / len(label))
    np.testing.assert_allclose(point, [*model.odd, *model.even, model.intercept], atol=1e-5)


def test_sparse_equals_dense(data: Data) -> None:
    odd, even, label = data
    odd = np.where(np.abs(odd) > 1.0, odd, 0.0)
    odd[:, 3] = 0.0  # a column that the fit never sees
    dense, thin = (
        fit_lbfgs(odd, even, Targets.of_votes(label, 3), 0.3),
        fit_lbfgs(sparse.csr_matrix(odd), even, Targets.of_votes(label, 3), 0.3),
    )
    np.testing.assert_allclose(dense.odd, thin.odd, atol=1e-4)
    assert thin.odd[3] == 0.0


def test_two_outcomes_are_binary_regression_without_intercept(data: Data, tmp_path: Path) -> None:
    odd, even, label = (values[data[2] < 2] for values in data)
    ours = fit_lbfgs(odd, even, Targets.of_votes(label, 2), 0.5, tolerance=1e-9)
    theirs = LogisticRegression(C=2.0, fit_intercept=False, tol=1e-10).fit(odd, label == 0)  # its log odds are 2 s
    np.testing.assert_allclose(ours.predict_proba(odd, even)[:, 0], theirs.predict_proba(odd)[:, 1], atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(odd, even), ours.predict_proba(-odd, even)[:, ::-1], atol=1e-15)
    assert ours.intercept is None
    assert ours.size == odd.shape[1]
    ours.save(tmp_path / "model.safetensors")
    again = SymmetricLogistic.load(tmp_path / "model.safetensors", odd.shape[1], even.shape[1])
    np.testing.assert_array_equal(again.predict_proba(odd, even), ours.predict_proba(odd, even))
    point = fit_newton(lambda rows: (odd[rows].T,), label, np.zeros(4), ridge=2.0 / len(label))
    np.testing.assert_allclose(point, ours.odd, atol=1e-5)


def test_gradient_vanishes_at_the_solution(data: Data) -> None:
    odd, even, label = data
    model = fit_lbfgs(odd, even, Targets.of_votes(label, 3), 0.5, tolerance=1e-9)
    residual = model.predict_proba(odd, even) - np.eye(3)[label]
    slope = odd.T @ (residual[:, 0] - residual[:, 1]) + model.odd / 0.5
    assert np.abs(slope).max() < 1e-4


def test_a_fit_ends_where_it_is_told_to(data: Data, caplog: pytest.LogCaptureFixture) -> None:
    odd, even, label = data
    curve: list[float] = []
    asked: list[SymmetricLogistic] = []
    model = fit_lbfgs(
        odd, even, Targets.of_votes(label, 3), 1e3, tolerance=1e-12, curve=curve, stop=lambda x: not asked.append(x)
    )
    assert len(curve) == STOP_EVERY
    np.testing.assert_array_equal(model.odd, asked[0].odd)
    assert not caplog.records  # it is no failure of the solver


def test_saved_and_loaded(data: Data, tmp_path: Path) -> None:
    odd, even, label = data
    model = fit_lbfgs(odd, even, Targets.of_votes(label, 3), 1.0)
    model.save(tmp_path / "model.safetensors")
    again = SymmetricLogistic.load(tmp_path / "model.safetensors", odd.shape[1], even.shape[1])
    np.testing.assert_array_equal(again.predict_proba(odd, even), model.predict_proba(odd, even))


def soft_targets(data: Data, outcomes: int, temperature: float) -> Targets:
    """Votes with a share of a teacher, and on every third row a teacher alone, with a weight that is not 1."""
    generator = np.random.default_rng(1)
    vote = np.where(np.arange(300) % 3 == 0, NO_VOTE, data[2] % outcomes).astype(np.int8)
    weight = np.where(vote == NO_VOTE, 1.7, 0.4)
    return Targets.of_teacher(vote, generator.dirichlet(np.ones(outcomes), 300), weight, temperature)


@pytest.mark.parametrize("outcomes", [2, 3])
def test_soft_targets_equal_weighted_rows_of_each_outcome(outcomes: int, data: Data) -> None:
    odd, even, _ = data
    targets = soft_targets(data, outcomes, 1.0)
    both = np.concatenate([np.hstack([odd, even]), np.hstack([-odd, even])])
    weight = np.concatenate([np.tile(targets.plain[:, outcome], 2) for outcome in range(outcomes)])
    label = np.concatenate([np.repeat([outcome, SWAP[outcome]], 300) for outcome in range(outcomes)])
    ours = fit_lbfgs(odd, even, targets, 0.5, tolerance=1e-9).predict_proba(odd, even)
    theirs = LogisticRegression(C=0.5 if outcomes == 3 else 1.0, tol=1e-10, max_iter=10_000)
    theirs.fit(np.tile(both, (outcomes, 1)), label, sample_weight=weight)
    np.testing.assert_allclose(ours, theirs.predict_proba(np.hstack([odd, even])), atol=1e-4)


@pytest.mark.parametrize("outcomes", [2, 3])
def test_nothing_near_the_fit_at_a_temperature_has_a_lower_loss(outcomes: int, data: Data) -> None:
    """The gradient of the loss, written down once more and differentiated numerically, is zero at the fit."""
    odd, even, _ = data
    targets = soft_targets(data, outcomes, 3.0)
    assert targets.softened is not None
    softened = targets.softened
    model = fit_lbfgs(odd, even, targets, 0.5, tolerance=1e-9)

    def loss(weights: np.ndarray) -> float:
        s, t = odd @ weights[:4], even @ weights[4:7] + weights[7]
        logits = np.column_stack([s, -s, t][:outcomes])
        losses = -(targets.plain * log_softmax(logits, axis=1)) - softened * log_softmax(logits / 3.0, axis=1)
        penalty = (weights[:4] ** 2).sum() / 0.5 + (weights[4:7] ** 2).sum() / 1.5 + INTERCEPT_PENALTY * weights[7] ** 2
        return float(losses.sum() + penalty / 2)

    point = np.array([*model.odd, *model.even, model.intercept or 0.0])
    slopes = [(loss(point + step) - loss(point - step)) / 2e-4 for step in 1e-4 * np.eye(8)]
    np.testing.assert_allclose(slopes, 0.0, atol=2e-4)
    assert np.abs([loss(point + step) - loss(point) for step in 0.1 * np.eye(8)[:4]]).min() > 1e-2
