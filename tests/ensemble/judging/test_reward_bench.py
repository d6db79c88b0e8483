"""RewardBench 1's scores: its sections by the published weights, and their intervals by prompt."""

from dataclasses import replace

import numpy as np
import pytest

from prefens.core.metrics import one_hot, swap_outcomes
from prefens.ensemble.judging.benchmark import Benchmark, make_benchmark
from prefens.ensemble.judging.reward_bench import SECTIONS
from prefens.ensemble.judging.scores import JudgeScore, score_judge
from tests.helpers.examples import column, make_pairs

SUBSETS = [name for subsets in SECTIONS.values() for name in subsets]
EACH = 10  # pairs of each subset


def scores_of(benchmark: Benchmark, right: int) -> dict[str, JudgeScore]:
    """Return the scores by section of a judge that has (place of the subset + right) % 11 of each subset's 10 right."""
    place = np.array([SUBSETS.index(name) for name in benchmark.subset])
    row = np.arange(len(place)) % EACH
    sure = one_hot(benchmark.pairs.labels, 3)
    verdict = np.where((row < (place + right) % (EACH + 1))[:, None], sure, swap_outcomes(sure))
    return {s.subset: s for s in score_judge(benchmark, "j", verdict) if s.metric == "RewardBench 1"}


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    pairs = make_pairs(EACH * len(SUBSETS), classes=2)
    pairs.prompt[:] = [(f"Question {row}?",) for row in range(len(pairs))]
    return make_benchmark(pairs, column(list(np.repeat(SUBSETS, EACH))))


def test_the_table_has_the_numbers_of_the_paper() -> None:
    prompts = {section: sum(subsets.values()) for section, subsets in SECTIONS.items()}
    assert prompts == {"Chat": 358, "Chat Hard": 456, "Safety": 740, "Reasoning": 1968}
    assert len({*SUBSETS}) == 23
    assert prompts["Chat"] + prompts["Chat Hard"] + prompts["Safety"] + 447 + 6 * 164 == 2985  # all pairs


@pytest.mark.parametrize("right", range(3))
def test_a_section_is_the_weighted_mean_of_its_subsets_and_all_are_their_mean(benchmark: Benchmark, right: int) -> None:
    accuracy = {name: (place + right) % 11 / 10 for place, name in enumerate(SUBSETS)}
    a, b, c, d, e = (accuracy[name] for name in SECTIONS["Chat"])
    code = np.mean([accuracy[name] for name in SUBSETS if name.startswith("hep-")])
    scored = scores_of(benchmark, right)
    assert scored["Chat"].value == pytest.approx((100 * a + 95 * b + 95 * c + 28 * d + 40 * e) / 358)
    assert scored["Reasoning"].value == pytest.approx((accuracy["math-prm"] + code) / 2)
    assert scored[""].value == pytest.approx(np.mean([scored[section].value for section in SECTIONS]))
    assert [*scored] == ["", *SECTIONS]
    assert (scored[""].count, scored["Chat"].count) == (230, 50)


def test_intervals_are_by_prompt(benchmark: Benchmark) -> None:
    scored = scores_of(benchmark, 0)
    variance = sum(
        (weight / 358) ** 2 * accuracy * (1 - accuracy) / EACH
        for weight, accuracy in zip(SECTIONS["Chat"].values(), np.arange(5) / 10, strict=True)
    )
    chat = scored["Chat"]
    assert (chat.high - chat.low) / 2 == pytest.approx(1.96 * np.sqrt(variance * 50 / 49), rel=1e-3)
    halves = [(scored[section].high - scored[section].low) / 2 for section in SECTIONS]
    assert (scored[""].high - scored[""].low) / 2 == pytest.approx(np.sqrt(np.square(halves).sum()) / 4, rel=0.03)
    row = np.arange(len(benchmark.pairs)) % EACH
    together = scores_of(replace(benchmark, group=column([f"{each}" for each in row])), 0)
    assert together["Chat"].value == chat.value
    assert together["Chat"].high - together["Chat"].low > 1.5 * (chat.high - chat.low)  # they are right together


def test_a_section_without_a_subset_and_another_benchmark_have_no_such_score(benchmark: Benchmark) -> None:
    keep = np.flatnonzero(benchmark.subset.astype(str) != "hep-go")
    pairs, subset = benchmark.pairs.take(keep), benchmark.subset[keep]
    assert [*scores_of(make_benchmark(pairs, subset), 0)] == ["Chat", "Chat Hard", "Safety"]
    other = np.where(subset == "donotanswer", "Math", subset)
    half = np.full((len(pairs), 2), 0.5)
    scores = score_judge(make_benchmark(pairs, other), "j", half)
    assert "RewardBench 1" not in {score.metric for score in scores}
    assert "mean of subsets" in {score.metric for score in scores}
