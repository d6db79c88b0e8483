"""Ratings are those of the arena's own program, closed forms and planted strengths, and sides don't matter."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefens.core.types import SWAP, Floats, Ints, Outcome, Pairs
from prefens.data.folds import prompt_groups
from prefens.data.synthetic.generator import Effects, generate
from prefens.data.text.style_differences import STYLE_DIFFERENCES, style_differences
from prefens.ensemble.ratings import Comparisons, Kind, fit, make_comparisons, rate
from prefens.ensemble.ratings.rating import MEAN, POINTS, rate_sources
from tests.helpers import arena_oracle
from tests.helpers.examples import column

ORACLE = json.loads(Path(arena_oracle.__file__).with_suffix(".json").read_text("utf-8"))


def comparisons(a: Ints, b: Ints, target: Floats, style: Floats | None = None, models: int = 5) -> Comparisons:
    n = len(a)
    style = np.empty((n, 0)) if style is None else style
    names = tuple(f"s{place}" for place in range(style.shape[1]))
    group = column([f"g{row // 2}" for row in range(n)])
    return Comparisons(tuple("abcdefgh"[:models]), a, b, target, group, style, names)


def davidson(d: Floats, nu: float) -> Floats:
    weights = np.stack([np.exp(d / 2), np.exp(-d / 2), np.full(len(d), nu)], axis=1)
    probabilities: Floats = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


def drawn(truth: Floats, seed: int) -> Floats:
    uniform = np.random.default_rng(seed).random((len(truth), 1))
    votes: Floats = np.eye(3)[(uniform > truth.cumsum(axis=1)).sum(axis=1).clip(0, 2)]
    return votes


def planted(n: int, seed: int, effects: Sequence[float] = ()) -> tuple[Comparisons, Floats, Floats]:
    """Return comparisons whose target is the truth, the planted strengths, and the differences in style."""
    generator = np.random.default_rng(seed)
    strengths = np.array([1.0, 0.5, 0.0, -0.5, -1.0])
    a = generator.integers(0, 5, n)
    b = (a + generator.integers(1, 5, n)) % 5
    style = generator.normal(size=(n, len(effects)))
    truth = davidson(strengths[a] - strengths[b] + style @ np.array(effects), 0.8)
    return comparisons(a, b, truth, style), strengths, style


def test_the_arenas_program_gives_the_same_numbers() -> None:
    votes = arena_oracle.planted()
    models = tuple(sorted(arena_oracle.STRENGTHS))
    a, b = (np.array([models.index(vote[side]) for vote in votes]) for side in ("model_a", "model_b"))
    target = np.eye(3)[[("model_a", "model_b", "tie").index(vote["winner"]) for vote in votes]]
    style = np.array([[vote["x"], vote["y"]] for vote in votes])
    group = column([str(row) for row in range(len(votes))])  # it takes each row for a prompt of its own
    pairs = Comparisons(models, a, b, target, group, style / np.sqrt((style**2).mean(axis=0)), ("x", "y"))
    for name, styled in (("plain", False), ("style_control", True)):
        own, expected = rate(pairs, "votes", Kind.BRADLEY_TERRY, styled), ORACLE[name]
        rows = {row.model: row for row in own.rows}
        for place, model in enumerate(expected["competitors"]):
            assert rows[model].rating == pytest.approx(expected["ratings"][place], abs=0.01)
            bounds = (expected["rating_lower"][place], expected["rating_upper"][place])
            assert rows[model].sandwich == pytest.approx(bounds, abs=0.01)
        assert [effect.value for effect in own.effects] == pytest.approx(expected.get("coeffs", []), abs=1e-5)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 40))
@settings(max_examples=20, deadline=None)
def test_two_models_have_a_closed_form(won: int, lost: int, tied: int) -> None:
    target = np.repeat(np.eye(3), [won, lost, tied], axis=0)
    n = len(target)
    pairs = comparisons(np.zeros(n, dtype=int), np.ones(n, dtype=int), target, models=2)
    gap = np.subtract(*rate(pairs, "votes", Kind.BRADLEY_TERRY, False).ratings)
    assert gap == pytest.approx(POINTS * np.log((won + tied / 2) / (lost + tied / 2)), abs=1e-3)
    if tied:
        own = rate(pairs, "votes", Kind.DAVIDSON, False)
        assert np.subtract(*own.ratings) == pytest.approx(POINTS * np.log(won / lost), abs=1e-3)
        assert own.tie == pytest.approx(tied / np.sqrt(won * lost), rel=1e-5)


@pytest.mark.parametrize("kind", Kind)
def test_sides_do_not_matter(kind: Kind) -> None:
    truth, _, _ = planted(400, 0, (0.4, -0.2))
    votes = replace(truth, target=drawn(truth.target, 1))
    flip = np.random.default_rng(2).random(400) < 0.5
    swapped = replace(
        votes,
        a=np.where(flip, votes.b, votes.a),
        b=np.where(flip, votes.a, votes.b),
        target=np.where(flip[:, None], votes.target[:, SWAP], votes.target),
        style=np.where(flip[:, None], -votes.style, votes.style),
    )
    one, other = (rate(each, "votes", kind, True, resamples=5) for each in (votes, swapped))
    for name in ("ratings", "error", "draws"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-4)
    assert [vars(effect) for effect in one.effects] == [pytest.approx(vars(effect)) for effect in other.effects]
    assert one.ratings.mean() == pytest.approx(MEAN)


def test_the_truth_gives_the_planted_strengths_and_votes_give_them_within_intervals() -> None:
    effects = (0.6, -0.3)
    truth, strengths, _ = planted(4000, 3, effects)
    exact = rate(truth, "truth", Kind.DAVIDSON, True)
    np.testing.assert_allclose(exact.ratings, MEAN + POINTS * strengths, atol=1e-3)
    assert exact.tie == pytest.approx(0.8, rel=1e-5)
    covered = 0
    for seed in range(20):
        votes = replace(truth, target=drawn(truth.target, seed))
        own = rate(votes, "votes", Kind.DAVIDSON, True)
        covered += int((np.abs(own.ratings - exact.ratings) <= 1.96 * own.error).sum())
        if seed == 0:
            for effect, planted_effect in zip(own.effects, effects, strict=True):
                assert effect.low <= planted_effect <= effect.high
                assert effect.high - effect.low < 0.2
    assert 88 <= covered <= 100  # of 100; 95 are expected


def test_the_bootstrap_is_the_sandwich_and_both_draw_prompts() -> None:
    truth, _, _ = planted(600, 4)
    once = replace(truth, target=drawn(truth.target, 0))
    own = rate(once, "votes", Kind.BRADLEY_TERRY, False, resamples=200)
    np.testing.assert_allclose(own.draws.std(axis=0), own.error, rtol=0.15)
    twice: dict[str, Any] = {
        name: np.concatenate([getattr(once, name)] * 2) for name in ("a", "b", "target", "group", "style")
    }
    one, other = (rate(each, "votes", Kind.DAVIDSON, False).error for each in (replace(once, **twice), once))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def generated(rows: int, verbosity: float) -> tuple[Pairs, Floats]:
    pairs = generate(rows, 0, Effects(verbosity=verbosity, position=0.0))
    return pairs, style_differences(pairs)


def test_style_control_recovers_a_planted_length_effect_on_generated_pairs() -> None:
    pairs, style = generated(600, 0.0)
    votes = make_comparisons(pairs, prompt_groups(pairs), style, STYLE_DIFFERENCES).comparisons
    strengths = np.linspace(1.0, -1.0, len(votes.models))
    length = np.array([name == "length" for name in votes.style_names])
    d = strengths[votes.a] - strengths[votes.b] + 0.7 * votes.style[:, length].ravel()
    truth = davidson(d, 0.5)
    covered = []
    for seed in range(10):
        own = rate(replace(votes, target=drawn(truth, seed)), "votes", Kind.DAVIDSON, True)
        covered += [effect.low <= (0.7 if effect.name == "length" else 0.0) <= effect.high for effect in own.effects]
    assert 0.85 <= np.mean(covered) <= 1.0
    exact = rate(replace(votes, target=truth), "truth", Kind.DAVIDSON, True)
    np.testing.assert_allclose(exact.ratings, MEAN + POINTS * strengths, atol=0.01)
    assert [effect.value for effect in exact.effects] == pytest.approx(0.7 * length, abs=1e-4)
    plain = rate(replace(votes, target=truth), "truth", Kind.DAVIDSON, False)
    assert np.abs(plain.ratings - exact.ratings).max() > 20  # what length alone would have added


def test_a_generator_that_likes_length_shows_it_and_the_truth_rates_as_the_votes_do() -> None:
    effects = {}
    for verbosity in (0.0, 1.5):
        pairs, style = generated(600, verbosity)
        votes = make_comparisons(pairs, prompt_groups(pairs), style, STYLE_DIFFERENCES)
        assert pairs.truth is not None
        truth = {"truth": pairs.truth[votes.rows, 1]}
        plain = rate_sources(votes.comparisons, truth, False, 0)
        assert [(each.source, each.kind) for each in plain] == [
            (source, kind) for kind in Kind for source in ("votes", "truth")
        ]
        voted, predicted = plain[:2]
        inside = np.abs(voted.ratings - predicted.ratings) <= 1.96 * voted.error
        assert inside.sum() >= 7  # of 8 models
        own = rate(replace(votes.comparisons, target=truth["truth"]), "truth", Kind.DAVIDSON, True)
        effects[verbosity] = next(effect for effect in own.effects if effect.name == "length")
    assert effects[1.5].low > effects[0.0].high + 0.3


def test_a_fit_is_the_minimum() -> None:
    truth, _, _ = planted(300, 5, (0.5,))
    for kind in Kind:
        point = fit(kind, replace(truth, target=drawn(truth.target, 0))).point
        assert point[:5].sum() == pytest.approx(0.0, abs=1e-9)
        assert np.isfinite(point).all()
    assert fit(Kind.DAVIDSON, truth).point[5] == pytest.approx(0.5, abs=1e-5)


def test_two_outcomes_have_no_davidson() -> None:
    truth, _, _ = planted(200, 6)
    binary = truth.target[:, :2] / truth.target[:, :2].sum(axis=1, keepdims=True)
    votes = replace(truth, target=drawn(np.column_stack([binary, np.zeros(200)]), 0))
    assert not votes.target[:, Outcome.TIE].any()
    ratings = rate_sources(votes, {"blend": binary}, True, 0)
    assert [(each.kind, each.source) for each in ratings] == [
        (Kind.BRADLEY_TERRY, "votes"), (Kind.BRADLEY_TERRY, "blend"),
    ]  # fmt: skip
