"""The leaderboard: ordered by honest score, with the class prior and the floors of known probabilities."""

import numpy as np
import pytest

from prefens.ensemble.crossfit import evaluate
from prefens.ensemble.leaderboard import leaderboard, mean_entropy, references
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
