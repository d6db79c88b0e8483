"""Scores agree with their definitions and with scikit-learn, and errors of means respect groups."""

import numpy as np
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss

from prefens.core.metrics import (
    accuracy,
    calibration_error,
    clustered_error,
    log_loss,
    outcome_shares,
    p_true,
    row_losses,
)
from tests.helpers.examples import column


def test_log_loss_agrees_with_scikit_learn(generator: np.random.Generator) -> None:
    probabilities = generator.dirichlet(np.ones(3), size=50)
    label = generator.integers(0, 3, size=50).astype(np.int8)
    assert log_loss(probabilities, label) == pytest.approx(sklearn_log_loss(label, probabilities, labels=[0, 1, 2]))


def test_a_hard_miss_is_clipped() -> None:
    losses = row_losses(np.array([[1.0, 0.0, 0.0]] * 2), np.array([0, 1], dtype=np.int8))
    np.testing.assert_allclose(losses, [0.0, -np.log(1e-15)])
    assert np.isfinite(log_loss(np.eye(3, dtype=np.float32), np.array([1, 2, 0], dtype=np.int8)))


def test_the_true_outcome_is_taken_from_every_member(generator: np.random.Generator) -> None:
    probabilities = generator.dirichlet(np.ones(3), size=(4, 50)).astype(np.float32)
    label = generator.integers(0, 3, size=50).astype(np.int8)
    taken = p_true(probabilities, label)
    assert taken.dtype == np.float32
    assert taken.flags.c_contiguous
    assert taken.tolist() == [[each[row, label[row]] for row in range(50)] for each in probabilities]


def test_the_class_prior_has_the_lowest_log_loss_of_all_constants(generator: np.random.Generator) -> None:
    label = np.array([0, 0, 1, 2], dtype=np.int8)
    prior = outcome_shares(label, 3)
    assert prior.tolist() == [0.5, 0.25, 0.25]
    assert outcome_shares(label[:0], 3).tolist() == [0.0, 0.0, 0.0]
    lowest = log_loss(np.tile(prior, (4, 1)), label)
    for other in generator.dirichlet(np.ones(3), size=20):
        assert log_loss(np.tile(other, (4, 1)), label) >= lowest


def test_accuracy_shares_out_ties() -> None:
    assert accuracy(np.full((4, 3), 1 / 3), np.array([0, 1, 2, 0], dtype=np.int8)) == pytest.approx(1 / 3)
    assert accuracy(np.eye(3), np.array([0, 1, 0], dtype=np.int8)) == pytest.approx(2 / 3)


def test_calibration_error_is_that_of_the_definition(generator: np.random.Generator) -> None:
    truth = generator.dirichlet(np.ones(3), size=40_000)
    label = (generator.random((40_000, 1)) > truth.cumsum(axis=1)).sum(axis=1).astype(np.int8)
    assert calibration_error(truth, label) < 0.01
    assert calibration_error(np.eye(3)[label], label) == 0.0
    assert calibration_error(np.eye(3)[(label + 1) % 3], label) == pytest.approx(2 / 3)


def test_clustered_error_equals_the_plain_one_for_single_rows(generator: np.random.Generator) -> None:
    values = generator.normal(size=200)
    alone = column([f"g{row}" for row in range(200)])
    assert clustered_error(values, alone) == pytest.approx(values.std(ddof=1) / np.sqrt(200))


def test_clustered_error_does_not_shrink_when_rows_are_copied(generator: np.random.Generator) -> None:
    values = generator.normal(size=100)
    group = column([f"g{row}" for row in range(100)])
    assert clustered_error(np.tile(values, 4), np.tile(group, 4)) == pytest.approx(clustered_error(values, group))
    assert np.isnan(clustered_error(values, column(["one"] * 100)))


def test_clustered_error_covers_the_truth() -> None:
    covered = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        effect = np.repeat(generator.normal(size=80), 5)
        values = effect + generator.normal(size=400)
        error = clustered_error(values, column([f"g{row // 5}" for row in range(400)]))
        covered += abs(values.mean()) < 1.96 * error
    assert 0.90 <= covered / 300 <= 0.98
