"""Laws of judging: swapping, the order of rows, perfect, even and random judges, and the formulas of RewardBench 2."""

import numpy as np
import pytest

from prefens.core.metrics import one_hot, swap_outcomes
from prefens.core.types import Floats
from prefens.data.load import load_pairs
from prefens.ensemble.judging.benchmark import Benchmark, make_benchmark
from prefens.ensemble.judging.scores import JudgeScore, answer_scores, score_judge, score_votes
from tests.helpers.benchmarks import write_reward_bench
from tests.helpers.examples import column, make_pairs

Key = tuple[str, str]


def by_key(scores: list[JudgeScore]) -> dict[Key, JudgeScore]:
    return {(score.metric, score.subset): score for score in scores}


def values(scores: list[JudgeScore]) -> dict[Key, tuple[float, ...]]:
    return {(s.metric, s.subset): (s.value, s.low, s.high, s.count) for s in scores}


@pytest.fixture(scope="module")
def reward_bench(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """40 rows of 1 chosen and 3 rejected answers, and 5 questions of Ties in both kinds."""
    path = write_reward_bench(tmp_path_factory.mktemp("bench") / "bench.jsonl")
    loaded = load_pairs(path, source_column="subset").sort()
    return make_benchmark(loaded.pairs, loaded.metadata["source"])


def of_rewards(benchmark: Benchmark, rewards: dict[str, float]) -> Floats:
    """Return the Davidson probabilities of a judge with a reward for each text."""
    first, second = (
        np.array([rewards[" ".join(turns)] for turns in side])
        for side in (benchmark.pairs.response_a, benchmark.pairs.response_b)
    )
    weights = np.exp(np.stack([first, second, np.log(0.7) + (first + second) / 2], axis=1))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def drawn_rewards(benchmark: Benchmark, seed: int) -> dict[str, float]:
    texts = sorted({" ".join(turns) for turns in [*benchmark.pairs.response_a, *benchmark.pairs.response_b]})
    return dict(zip(texts, np.random.default_rng(seed).normal(size=len(texts)), strict=True))


def test_lists_are_found_and_an_incomplete_one_is_left_out(reward_bench: Benchmark) -> None:
    assert sorted(each.rows.shape for each in reward_bench.lists) == [(1, 3)] * 40 + [(1, 5)] * 5 + [(4, 5)] * 5
    some = reward_bench.pairs.take(np.flatnonzero(reward_bench.pairs.ids != "7-1-2"))
    assert {each.id for each in reward_bench.lists} - {each.id for each in make_benchmark(some).lists} == {"7"}
    other = make_pairs(6)
    assert make_benchmark(other).lists == []


def test_a_perfect_judge_scores_1_and_a_reversed_one_0(reward_bench: Benchmark) -> None:
    sure = one_hot(reward_bench.pairs.labels, 3)
    for score in score_judge(reward_bench, "perfect", sure):
        assert score.value == 1.0, score
    for score in score_judge(reward_bench, "reversed", swap_outcomes(sure)):
        assert score.value == 0.0, score


def test_even_judges_get_half_of_pairs_and_a_quarter_of_four(reward_bench: Benchmark) -> None:
    n = len(reward_bench.pairs)
    for row in ([1 / 3] * 3, [0.0, 0.0, 1.0], [0.5, 0.5]):
        found = by_key(score_judge(reward_bench, "even", np.tile(row, (n, 1))))
        assert found["accuracy", ""].value == 0.5
        assert found["best of 4", ""].value == found["best of 4", "Math"].value == 0.25
        assert found["ties", ""].value == 0.0
        assert found["mean of subsets", ""].value == pytest.approx((0.25 + 0.25 + 0.0) / 3)


def test_random_rewards_are_right_in_a_half_and_a_quarter_on_average(reward_bench: Benchmark) -> None:
    means = []
    for seed in range(60):
        found = by_key(score_judge(reward_bench, "r", of_rewards(reward_bench, drawn_rewards(reward_bench, seed))))
        means.append([found["accuracy", "Focus"].value, found["best of 4", ""].value])
    assert np.mean(means, axis=0) == pytest.approx([0.5, 0.25], abs=0.03)


def test_the_formulas_are_those_of_rewardbench_2(reward_bench: Benchmark) -> None:
    rewards = drawn_rewards(reward_bench, 1)
    rewards |= {text: reward + 1.5 for text, reward in rewards.items() if text.startswith(("yes", "right"))}
    probabilities = of_rewards(reward_bench, rewards)
    found = by_key(score_judge(reward_bench, "r", probabilities))
    right = [rewards[f"right {row}"] > max(rewards[f"wrong {row} {n}"] for n in range(3)) for row in range(40)]
    assert found["best of 4", ""].value == pytest.approx(np.mean(right))
    yes, no = ([rewards[f"{word} {n}"] for n in range(count)] for word, count in (("yes", 4), ("no", 5)))
    gap_ref, gap, spread = yes[0] - max(no), min(yes) - max(no), max(yes) - min(yes)
    expected = (
        0.30 * (gap > 0) + 0.30 * (gap_ref > 0) + 0.20 * (gap > spread) + 0.20 * (min(gap, gap_ref) > spread)
        + 0.01 * np.tanh(min(gap, gap_ref) / spread - 1)
    )  # fmt: skip
    assert found["ties", ""].value == pytest.approx(expected)
    (tied, *_) = [each for each in reward_bench.lists if each.id == "tied:0"]
    chosen, rejected = answer_scores(tied, probabilities, reward_bench)
    scores = np.array([*chosen, *rejected])
    assert scores - scores.mean() == pytest.approx(np.array([*yes, *no]) - np.mean([*yes, *no]))


def test_neither_sides_nor_the_order_of_rows_matter(reward_bench: Benchmark) -> None:
    for benchmark in (reward_bench, make_benchmark(make_pairs(40), column(["x", "y"] * 20))):
        n = len(benchmark.pairs)
        generator = np.random.default_rng(0)
        one, other = generator.dirichlet([1, 1, 1], size=(2, n))
        expected = values(score_judge(benchmark, "j", one, other))
        swapped = make_benchmark(benchmark.pairs.swapped(), benchmark.subset)
        found = values(score_judge(swapped, "j", swap_outcomes(one), swap_outcomes(other)))
        order = generator.permutation(n)
        mixed = make_benchmark(benchmark.pairs.take(order), benchmark.subset[order])
        again = values(score_judge(mixed, "j", one[order], other[order]))
        for key, value in expected.items():
            assert found[key] == pytest.approx(value), key
            assert again[key] == pytest.approx(value), key
        assert found.keys() == again.keys() == expected.keys()


def votes(*rows: tuple[str, str, int]) -> Benchmark:
    """Return votes on one prompt's pairs of answers."""
    pairs = make_pairs(len(rows))
    pairs.prompt[:] = [("Question?",)] * len(rows)
    pairs.response_a[:] = [(a,) for a, _, _ in rows]
    pairs.response_b[:] = [(b,) for _, b, _ in rows]
    pairs.labels[:] = [label for _, _, label in rows]
    return make_benchmark(pairs)


def test_repeated_votes_bound_what_a_judge_can_reach() -> None:
    benchmark = votes(("x", "y", 0), ("y", "x", 1), ("x", "y", 1), ("v", "w", 0), ("v", "w", 2), ("s", "t", 0))
    found = by_key(score_votes(benchmark))
    agreement, ceiling = (found[f"{name}, repeated votes", ""] for name in ("accuracy", "ceiling"))
    assert (agreement.count, ceiling.count) == (4, 4)  # two votes for x, one for y, and one for v; a tie is no winner
    assert agreement.value == pytest.approx((0.5 + 0.5 + 0.0 + 0.5) / 4)
    assert ceiling.value == pytest.approx((1 + 1 + 0 + 1) / 4)
    judge = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0, 1, 0]])
    best = by_key(score_judge(benchmark, "best", judge))
    assert best["accuracy, repeated votes", ""].value == ceiling.value  # none is better
    assert np.isnan(best["accuracy", ""].low)  # all is of one prompt


def test_position_consistency_is_the_share_of_equal_verdicts_in_both_orders() -> None:
    benchmark = votes(("x", "y", 0), ("y", "x", 1), ("v", "w", 0), ("w", "v", 0), ("s", "t", 0))
    found = by_key(score_votes(benchmark))["position consistency", ""]
    assert (found.value, found.count) == (0.5, 4)
    first = np.tile([0.6, 0.3, 0.1], (5, 1))
    assert by_key(score_judge(benchmark, "first", first))["position consistency", ""].value == 0.0
    both = by_key(score_judge(benchmark, "first", first, first))  # whatever it sees first
    assert both["position consistency", ""].value == 0.0
    assert both["accuracy", ""].value == 0.5
    fair = by_key(score_judge(benchmark, "fair", first, swap_outcomes(first)))
    assert (fair["position consistency", ""].value, fair["position consistency", ""].count) == (1.0, 5)
