"""Scores of answers: the order of candidates changes nothing, the best of two is the favourite, rewards stand alone."""

import hashlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefens.core.errors import DataError, StoreError
from prefens.core.types import Floats, Outcome, Pairs
from prefens.ensemble.registry import restore
from prefens.inference.fold_models import model_folders
from prefens.inference.predictor import Predictor
from prefens.inference.reward_ensemble import Ensemble
from prefens.inference.scorer import Scorer, member_predictor, round_robin
from prefens.members.textcnn import TextCnnMember
from prefens.store.split_store import SplitStore
from tests.helpers.examples import column

PROMPT = "Name a prime number."


class Moody:
    """A symmetric judge whose verdict on a pair is drawn from the texts."""

    def rewards(self, pairs: Pairs, ensemble: Ensemble | None = None) -> Floats | None:
        return None

    def predict_pairs(self, pairs: Pairs) -> Floats:
        rows = []
        for a, b in zip(pairs.response_a, pairs.response_b, strict=True):
            first, second = sorted((a, b))
            seed = int.from_bytes(hashlib.sha256(repr((first, second)).encode()).digest()[:4], "big")
            shares = np.random.default_rng(seed).dirichlet([1.0, 1.0, 0.5])
            rows.append(shares if (a, b) == (first, second) else shares[[1, 0, 2]])
        return np.array(rows)


def scorer(most: int = 200) -> Scorer:
    return Scorer(Moody(), most)


@given(st.lists(st.text(max_size=8), min_size=1, max_size=9), st.randoms(), st.integers(1, 40))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_candidates_changes_no_score(answers: list[str], random: Any, most: int) -> None:
    order = list(range(len(answers)))
    random.shuffle(order)
    scores = scorer(most).score(PROMPT, answers)
    shuffled = scorer(most).score(PROMPT, [answers[place] for place in order])
    np.testing.assert_allclose(shuffled.rewards, scores.rewards[order], atol=1e-6)
    assert (shuffled.pairs, shuffled.ties, shuffled.cycles) == (scores.pairs, scores.ties, scores.cycles)


@given(st.text(max_size=5), st.text(max_size=5))
@settings(max_examples=10, deadline=None)
def test_the_best_of_two_is_the_favorite_of_the_pair(a: str, b: str) -> None:
    scores, odds = scorer().score(PROMPT, [a, b]), scorer().compare(PROMPT, a, b)
    if a == b:
        assert scores.rewards[0] == scores.rewards[1]
        return
    gap = np.log(odds[Outcome.A_WINS] / odds[Outcome.B_WINS])
    assert scores.rewards[0] - scores.rewards[1] == pytest.approx(gap, abs=1e-3)
    assert scores.best == int(odds[Outcome.B_WINS] > odds[Outcome.A_WINS])


@given(st.integers(1, 60), st.integers(1, 300))
def test_a_round_robin_meets_each_pair_once_and_each_answer_as_often(n: int, most: int) -> None:
    first, second = round_robin(n, most)
    pairs = [frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)]
    assert len(set(pairs)) == len(pairs)
    assert all(len(pair) == 2 for pair in pairs)
    assert len(pairs) <= max(most, n)
    if most >= n * (n - 1) // 2:
        assert len(pairs) == n * (n - 1) // 2
    met = Counter(answer for pair in pairs for answer in pair)
    assert n == 1 or set(met) == {*range(n)}
    assert len(set(met.values())) <= 1


def test_hostile_candidates_are_answered_or_refused() -> None:
    assert scorer().score(PROMPT, ["alone"]).rewards.tolist() == [0.0]
    same = scorer().score(PROMPT, ["same"] * 5)
    assert (same.rewards.tolist(), same.pairs, same.best) == ([0.0] * 5, 0, 0)
    many = scorer(500).score(PROMPT, [f"answer {row}" for row in range(1000)])
    assert (many.pairs, len(many.rewards)) == (1000, 1000)
    assert np.isfinite(many.rewards).all()
    long = scorer().score(PROMPT, ["x" * 100_000, "", "\ud800 half", "\x00"])
    assert np.isfinite(long.rewards).all()
    for answers, said in (([], "0 answers"), ([3], "answer 1 of 1"), (["a", ["b", "c"]], "answer 2 of 2")):
        with pytest.raises(DataError, match=said):
            scorer().score(PROMPT, answers)
    with pytest.raises(DataError, match="prompt"):
        scorer().score(3, ["a"])  # type: ignore[arg-type]


def test_ties_and_cycles_are_counted() -> None:
    class Cyclic(Moody):
        def predict_pairs(self, pairs: Pairs) -> Floats:
            texts = [(a[0], b[0]) for a, b in zip(pairs.response_a, pairs.response_b, strict=True)]
            beats = {("a", "b"), ("b", "c"), ("c", "a")}
            return np.array([
                [0.2, 0.2, 0.6] if "d" in pair else [0.7, 0.2, 0.1] if pair in beats else [0.2, 0.7, 0.1]
                for pair in texts
            ])  # fmt: skip

    scores = Scorer(Cyclic()).score(PROMPT, ["a", "b", "c", "d"])
    assert (scores.pairs, scores.ties, scores.cycles) == (6, 3, 1)
    np.testing.assert_allclose(scores.rewards, 0.0, atol=1e-6)


@pytest.fixture(scope="module")
def blend(rewarding: SplitStore) -> Predictor:
    """A blend of two seeds of a siamese network with rewards."""
    blender = restore({"method": "soft_vote", "members": 2, "weights": [0.75, 0.25]})
    names = [name for name in rewarding.member_names() if name.startswith("textcnn")]
    return Predictor(rewarding, "soft_vote", names, blender, 2, np.full(3, 1 / 3), ())


@pytest.fixture(scope="module")
def predictor(blend: Predictor) -> Predictor:
    """One of the seeds alone."""
    return member_predictor(blend, blend.members[0])


@pytest.mark.parametrize("ensemble", Ensemble)
def test_a_blend_of_rewards_reads_each_answer_alone(blend: Predictor, ensemble: Ensemble) -> None:
    answers = ["good red", "bad green things", "no", "good red"]
    scores = Scorer(blend, ensemble=ensemble).score(PROMPT, answers)
    assert scores.pairs == 0
    assert scores.rewards[0] == scores.rewards[3]
    own = [Scorer(member_predictor(blend, name)).score(PROMPT, answers).rewards for name in blend.members]
    np.testing.assert_allclose(scores.rewards, ensemble.combine(np.array(own), np.array([0.75, 0.25])), atol=1e-9)
    more = Scorer(blend, ensemble=ensemble).score(PROMPT, ["a very long list of things", *answers[::-1]])
    np.testing.assert_allclose(more.rewards[1:], scores.rewards[::-1], atol=1e-6)


def test_a_blend_of_rewards_compares_pairs_unless_an_ensemble_is_named(blend: Predictor) -> None:
    scorer = Scorer(blend)
    scores, odds = scorer.score(PROMPT, ["good red", "bad green"]), scorer.compare(PROMPT, "good red", "bad green")
    assert scores.pairs == 1
    gap = np.log(odds[Outcome.A_WINS] / odds[Outcome.B_WINS])
    assert scores.rewards[0] - scores.rewards[1] == pytest.approx(gap, abs=1e-3)


def test_a_member_with_a_reward_reads_each_answer_alone(predictor: Predictor) -> None:
    answers = ["good red", "bad green things", "no", "good red"]
    scores = Scorer(predictor).score(PROMPT, answers)
    assert scores.pairs == 0
    assert scores.rewards[0] == scores.rewards[3]
    assert np.ptp(scores.rewards) > 1e-6
    more = Scorer(predictor).score(PROMPT, ["a very long list of things", *answers[::-1]])
    np.testing.assert_allclose(more.rewards[1:], scores.rewards[::-1], atol=1e-6)
    folders = model_folders(predictor.store, predictor.specs()[0], predictor.folds)
    gaps = []
    for model in map(TextCnnMember.load, folders):
        odds, scale = model.predict_proba(pair_of(*answers[:2]))[0], model.reward_scale
        assert scale is not None
        gaps.append(np.log(odds[Outcome.A_WINS] / odds[Outcome.B_WINS]) / scale.spread)
    assert scores.rewards[0] - scores.rewards[1] == pytest.approx(np.mean(gaps), abs=1e-5)


def test_a_member_that_is_not_there_is_refused(predictor: Predictor) -> None:
    with pytest.raises(StoreError, match="no member gpt"):
        member_predictor(predictor, "gpt")


def pair_of(a: str, b: str) -> Pairs:
    return Pairs(column(["1"]), column([(PROMPT,)]), column([(a,)]), column([(b,)]))
