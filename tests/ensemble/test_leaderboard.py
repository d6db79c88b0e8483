"""The leaderboard: ordered by honest score, with the class prior and the floors of known probabilities."""

from dataclasses import replace

import numpy as np
import pytest

from prefens.core.metrics import log_loss
from prefens.ensemble.crossfit import evaluate
from prefens.ensemble.leaderboard import leaderboard, mean_entropy, prior_predictions, references
from prefens.ensemble.soft_vote import SoftVote
from tests.helpers.examples import make_stack, random_stack


def test_the_leaderboard_is_ordered_and_holds_its_references() -> None:
    stack = random_stack(3, 200, seed=2)
    rows = leaderboard(stack, evaluate([SoftVote()], stack)[0])
    assert [row.kind for row in rows].count("member") == 3
    assert rows[-1].name == "class prior"
    ranked = [row.scores.log_loss for row in rows[:-1]]
    assert ranked == sorted(ranked)
    assert rows[-1].scores.below_prior == pytest.approx(0.0)
    assert rows[-1].expected == pytest.approx(rows[-1].scores.log_loss)  # the shares are those of the labels


def test_the_floor_is_what_the_truth_expects(generator: np.random.Generator) -> None:
    truth = generator.dirichlet(np.ones(3), size=20_000)
    label = (generator.random((20_000, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    stack = make_stack(truth[None], label)
    folds = type(stack.folds)(**{**vars(stack.folds), "truth": np.stack([truth, truth], axis=1)})
    floor = next(row for row in references(folds) if row.name == "Bayes floor")
    assert floor.expected == pytest.approx(floor.scores.log_loss, abs=4 * floor.scores.log_loss_se)
    assert floor.scores.above_bayes == pytest.approx(0.0)
    assert mean_entropy(np.array([[1.0, 0.0, 0.0]])) == 0.0


def test_the_prior_of_a_new_source_is_that_of_the_rows_its_fold_may_be_fitted_on() -> None:
    label = np.array([0] * 6 + [1] * 2 + [2] * 2 + [0, 1])
    group = np.array(["a", "b", "c", "d", "e", "f", "g", "h", "x", "y", "i", "x"])  # one prompt is in both sources
    fold = np.repeat([0, 1], [8, 4]).astype(np.int8)
    stack = make_stack(np.full((1, 12, 3), 1 / 3), label)
    folds = replace(stack.folds, fold=fold, group=group, settings={"scheme": "source", "k": 2})
    # Each outcome counts once more: source 0 has no tie, and one would cost 34 nats.
    expected = np.repeat([[2 / 7, 2 / 7, 3 / 7], [7 / 11, 3 / 11, 1 / 11]], [8, 4], axis=0)
    np.testing.assert_allclose(prior_predictions(folds), expected)
    (prior,) = references(folds)
    assert prior.scores.log_loss == pytest.approx(log_loss(expected, label))
    shared = replace(folds, group=np.where(group == "h", "i", group))  # a prompt of 0 is also in 1: its row is no help
    np.testing.assert_allclose(prior_predictions(shared)[8:], np.tile([[7 / 10, 2 / 10, 1 / 10]], (4, 1)))
    by_prompt = replace(folds, settings={"scheme": "stratified_group", "k": 2})
    np.testing.assert_array_equal(prior_predictions(by_prompt), np.tile([7 / 12, 3 / 12, 2 / 12], (12, 1)))
