"""Laws of effects: swapping, one estimator for votes and probabilities, intervals that cover the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefens.core.bootstrap import GroupBootstrap
from prefens.core.metrics import one_hot
from prefens.core.types import SWAP, Floats, Pairs
from prefens.data.synthetic.generator import Effects, generate
from prefens.reporting.bias.effects import (
    bias_effects,
    family_effects,
    length_effects,
    model_pair_effects,
    tie_effects,
)
from prefens.reporting.bias.estimator import (
    MIN_GROUPS,
    MIN_ROWS,
    TIES,
    Effect,
    estimate,
    margin,
)
from prefens.reporting.text_stats import text_stats
from tests.helpers.examples import column, folds_of, make_pairs


def value_of(effect: Effect, probabilities: Floats) -> float:
    """The definition of an effect, without a bootstrap: NaN where all weights are 0."""
    total = np.abs(effect.weight).sum()
    return float(effect.weight @ (probabilities @ effect.contrast) / total) if total else float("nan")


def all_effects(pairs: Pairs) -> list[Effect]:
    stats = text_stats(pairs)
    effects = [*bias_effects(pairs, stats), *length_effects(stats), *tie_effects(pairs, stats)]
    return [*effects, *family_effects(pairs), *model_pair_effects(pairs)]


def test_swapping_all_pairs_negates_position_and_changes_nothing_else() -> None:
    pairs = generate(300, seed=1)
    before_swap, after_swap = all_effects(pairs), all_effects(pairs.swapped())
    assert [effect.name for effect in before_swap] == [effect.name for effect in after_swap]
    for one, other in zip(before_swap, after_swap, strict=True):
        before, after = value_of(one, one_hot(pairs.labels, 3)), value_of(other, one_hot(pairs.swapped().labels, 3))
        assert one.n_pairs == other.n_pairs
        np.testing.assert_allclose(after, -before if one.topic == "position" else before, atol=1e-12)


@given(st.integers(0, 10**6), st.integers(1, 40))
@settings(max_examples=30)
def test_an_effect_is_linear_and_within_bounds(seed: int, rows: int) -> None:
    generator = np.random.default_rng(seed)
    p, q = generator.dirichlet(np.ones(3), size=(2, rows))
    effect = margin("", "", generator.integers(-1, 2, size=rows))
    if effect.n_pairs:
        mixed = value_of(effect, 0.3 * p + 0.7 * q)
        np.testing.assert_allclose(mixed, 0.3 * value_of(effect, p) + 0.7 * value_of(effect, q), atol=1e-12)
        assert -1.0 <= mixed <= 1.0
        other_way = Effect("", "", -effect.weight, effect.contrast)
        np.testing.assert_allclose(value_of(other_way, (0.3 * p + 0.7 * q)[:, SWAP]), mixed, atol=1e-12)
    else:
        assert math.isnan(value_of(effect, p))


def test_equal_probabilities_have_no_effect_on_winning() -> None:
    pairs = generate(200, seed=2)
    equal = np.full((200, 3), 1 / 3)
    effects = [effect for effect in all_effects(pairs) if effect.topic != "ties" and effect.n_pairs]
    np.testing.assert_allclose([value_of(effect, equal) for effect in effects], 0.0, atol=1e-12)


def test_a_predictor_that_equals_the_votes_has_their_effects_and_no_difference() -> None:
    pairs = generate(400, seed=3)
    votes = one_hot(pairs.labels, 3)
    group = folds_of(pairs).group
    estimates = estimate(all_effects(pairs), ["votes", "copy"], [votes, votes.copy()], GroupBootstrap(group, 50))
    for index in range(len(estimates.effects)):
        assert estimates.estimate("votes", index) == pytest.approx(estimates.estimate("copy", index), abs=1e-12)
        if estimates.estimate("votes", index) is not None:
            np.testing.assert_allclose(
                estimates.values[0, index], value_of(estimates.effects[index], votes), atol=1e-12
            )
        gap = estimates.difference("copy", "votes", index)
        assert gap is None or np.abs(gap).max() < 1e-12
        assert gap is None or not gap.excludes_zero


@pytest.mark.parametrize("position", [1.5, -1.5])
def test_an_injected_position_effect_is_found(position: float) -> None:
    pairs = generate(600, seed=4, effects=Effects(position=position))
    estimates = estimate(
        all_effects(pairs), ["votes"], [one_hot(pairs.labels, 3)], GroupBootstrap(folds_of(pairs).group, 200)
    )
    estimated = estimates.estimate("votes", 0)
    assert estimates.effects[0].name == "shown first"
    assert estimated is not None
    assert np.sign(estimated.value) == np.sign(position)
    assert estimated.excludes_zero


def test_an_injected_verbosity_effect_is_found_and_grows_with_it() -> None:
    values = []
    for verbosity in (-1.5, 0.0, 1.5):
        pairs = generate(600, seed=5, effects=Effects(verbosity=verbosity))
        effect = next(effect for effect in all_effects(pairs) if effect.name == "with more words")
        values.append(value_of(effect, one_hot(pairs.labels, 3)))
    assert values[0] < 0 < values[2]
    assert values == sorted(values)


def test_too_few_pairs_are_no_estimate() -> None:
    rows = 4 * MIN_ROWS
    group = column([f"g{row}" for row in range(rows)])
    few = margin("", "few", 1.0 * (np.arange(rows) < MIN_ROWS - 1))
    enough = margin("", "enough", 1.0 * (np.arange(rows) < MIN_ROWS))
    votes = one_hot(np.zeros(rows, dtype=np.int8), 3)
    estimates = estimate([few, enough], ["votes"], [votes], GroupBootstrap(group, 20))
    assert estimates.estimate("votes", 0) is None
    assert estimates.estimate("votes", 1) == (1.0, 1.0, 1.0)
    together = column([f"g{row % (MIN_GROUPS - 1)}" for row in range(rows)])
    assert estimate([enough], ["votes"], [votes], GroupBootstrap(together, 20)).estimate("votes", 0) is None
    assert estimate([few], ["votes"], [votes], GroupBootstrap(group, 20)).difference("votes", "votes", 0) is None


def test_the_bootstrap_is_that_of_a_plain_loop() -> None:
    pairs = make_pairs(120, seed=6)
    votes, bootstrap = one_hot(pairs.labels, 3), GroupBootstrap(folds_of(pairs).group, 7)
    effects = [margin("", "", text_stats(pairs).log_length_ratio()), Effect("ties", "", np.ones(120), TIES)]
    estimates = estimate(effects, ["votes"], [votes], bootstrap)
    for draw, counts in enumerate(bootstrap.row_counts()):
        for index, effect in enumerate(effects):
            slow = (counts * effect.weight) @ (votes @ effect.contrast) / (counts @ np.abs(effect.weight))
            np.testing.assert_allclose(estimates.draws[draw, 0, index], slow, atol=1e-12)


@pytest.mark.slow
def test_intervals_of_the_votes_cover_the_truth() -> None:
    """Over 40 seeds each effect's interval covers the same estimator of the true probabilities 85 % of the time."""
    covered: dict[tuple[str, str], list[bool]] = {}
    for seed in range(40):
        pairs = generate(800, seed=1000 + seed)
        assert pairs.truth is not None
        group = folds_of(pairs).group
        predictors = [one_hot(pairs.labels, 3), pairs.truth[:, 0]]
        estimates = estimate(all_effects(pairs), ["votes", "truth"], predictors, GroupBootstrap(group, 300, seed))
        for index, effect in enumerate(estimates.effects):
            estimated = estimates.estimate("votes", index)
            if estimated is not None:
                inside = estimated.low <= estimates.values[1, index] <= estimated.high
                covered.setdefault((effect.topic, effect.name), []).append(bool(inside))
    rates = {name: float(np.mean(inside)) for name, inside in covered.items() if len(inside) == 40}
    assert len(rates) >= 25
    assert {name: rate for name, rate in rates.items() if rate < 0.85} == {}
    assert np.mean([inside for each in covered.values() for inside in each]) >= 0.9
