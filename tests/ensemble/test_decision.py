"""Decisions: swap-symmetric, the best of their kind on the rows they saw, and scored without these rows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefens.core.errors import BlendError, ConfigError
from prefens.core.metrics import accuracy, row_hits, swap_outcomes
from prefens.core.types import SWAP, OOFStack
from prefens.ensemble.blend import make_blend
from prefens.ensemble.decision import Decision, decided_accuracy
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.registry import METHODS
from tests.helpers.examples import column, make_stack, random_stack

stacks = st.builds(random_stack, st.just(1), st.sampled_from([5, 40, 300]), st.integers(0, 1000), st.floats(0.2, 3.0))


@given(stack=stacks)
@settings(max_examples=30)
def test_the_fitted_rule_is_the_best_of_its_kind(stack: OOFStack) -> None:
    probabilities, label = stack.probabilities[0], stack.folds.label
    rule = Decision.fit(probabilities, label)
    others = [Decision(weight) for weight in [*np.geomspace(0.01, 100, 60), 1.0]]
    own, *rest = (accuracy(each.weigh(probabilities), label) for each in (rule, *others))
    assert own >= max(rest) - 1e-12
    swapped = Decision.fit(swap_outcomes(probabilities), SWAP[label].astype(np.int8))
    assert swapped == rule
    np.testing.assert_array_equal(SWAP[rule.decide(probabilities)], rule.decide(swap_outcomes(probabilities)))


@given(stack=st.builds(random_stack, st.just(1), st.sampled_from([5, 40]), st.integers(0, 1000), outcomes=st.just(2)))
@settings(max_examples=10)
def test_with_two_outcomes_the_likelier_side_is_decided(stack: OOFStack) -> None:
    probabilities, folds = stack.probabilities[0], stack.folds
    assert Decision.fit(probabilities, folds.label) == Decision()
    np.testing.assert_array_equal(Decision(3.0).decide(probabilities), probabilities.argmax(axis=1))
    assert decided_accuracy(probabilities, folds) == accuracy(probabilities, folds.label)


def test_a_rule_is_scored_without_the_rows_that_it_saw() -> None:
    """On noise, a rule that is scored on its own rows beats the constant one; scored honestly it does not."""
    generator = np.random.default_rng(0)
    gaps = []
    for _ in range(40):
        probabilities, label = generator.dirichlet([2.0, 2.0, 2.0], 60), generator.integers(0, 3, 60)
        folds = make_stack(probabilities[None], label).folds
        seen = accuracy(Decision.fit(probabilities, folds.label).weigh(probabilities), folds.label)
        gaps.append((seen - 1 / 3, decided_accuracy(probabilities, folds) - 1 / 3))
    flattered, honest = np.mean(gaps, axis=0)
    assert flattered > 0.03
    assert abs(honest) < 0.025
    with pytest.raises(BlendError, match="two or more"):
        decided_accuracy(probabilities[:3], folds.rows(folds.fold == 0).rows(np.arange(12) < 3))


def test_accuracy_ranks_and_chooses_and_log_loss_fits() -> None:
    stack = random_stack(4, 300, seed=2)
    inputs = BlendInputs(stack.folds, stack, None, None)
    blenders = [METHODS[name]() for name in ("soft_vote", "log_loss", "log_pool")]
    by_loss = make_blend(inputs, blenders, resamples=20)
    by_accuracy = make_blend(inputs, blenders, resamples=20, metric="accuracy")
    assert [each.state for each in by_loss.results] == [each.state for each in by_accuracy.results]
    scores = [row.scores.accuracy for row in by_accuracy.leaderboard if row.kind != "reference"]
    assert scores == sorted(scores, reverse=True)
    label = stack.folds.label
    best = {each.method: row_hits(each.probabilities, label).mean() for each in by_accuracy.results}
    assert best[by_accuracy.best.method] == max(best.values())
    assert by_loss.decision == Decision()
    assert by_accuracy.decided_accuracy == decided_accuracy(by_accuracy.best.probabilities, stack.folds)
    decided = {row.name: row.as_dict().get("decided_accuracy") for row in by_accuracy.leaderboard}
    assert decided.pop(by_accuracy.best.method) == by_accuracy.decided_accuracy
    assert {*decided.values(), *(row.decided_accuracy for row in by_loss.leaderboard)} == {None}
    with pytest.raises(ConfigError, match="metric=auc"):
        make_blend(inputs, blenders, metric="auc")


def test_a_rule_for_a_new_source_sees_no_row_with_its_prompts() -> None:
    """Each source has 15 ties with a prompt that both share, and 10 wins of A with one of its own."""
    probabilities, label = np.tile([0.5, 0.1, 0.4], (50, 1)), np.tile([2] * 15 + [0] * 10, 2)
    stack = make_stack(probabilities[None], label, folds=2)
    own = ["shared"] * 15 + ["first"] * 10 + ["shared"] * 15 + ["second"] * 10
    settings = {"scheme": "source", "k": 2, "seed": 0, "holdout": 0.0, "sources": ["first", "second"]}
    fold = np.repeat([0, 1], 25).astype(np.int8)
    folds = replace(stack.folds, group=column(own), fold=fold, settings=settings)
    assert decided_accuracy(probabilities, folds) == 10 / 25
