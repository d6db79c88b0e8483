"""The scores of a judge on a benchmark, each with an interval clustered by prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prefens.core.metrics import CLIP, clustered_error, one_hot, swap_outcomes
from prefens.core.types import SWAP, Floats, Ints, Outcome
from prefens.ensemble.judging.benchmark import AnswerList, Benchmark
from prefens.ensemble.judging.reward_bench import section_weights

EVEN = 1e-9  # differences below it are none
Z = 1.959963984540054  # of a normal interval of 95 %
VOTES = "votes"  # the judge that the benchmark's own labels are


@dataclass(frozen=True)
class JudgeScore:
    """One score of a judge.

    Attributes
    ----------
    judge : str
        Who judged; "votes" for the labels themselves.
    metric : str
        What was measured.
    subset : str
        The part of the benchmark; "" for all of it.
    value, low, high : float
        In [0, 1], with the 95 % interval; NaN where all is of one prompt.
    count : int
        Of how many pairs or prompts it is the mean.
    """

    judge: str
    metric: str
    subset: str
    value: float
    low: float
    high: float
    count: int


def score_judge(
    benchmark: Benchmark, judge: str, probabilities: Floats, swapped: Floats | None = None
) -> list[JudgeScore]:
    """Return the scores of a judge.

    Parameters
    ----------
    benchmark : Benchmark
        n labelled pairs.
    judge : str
        Its name.
    probabilities : array, shape (n, K)
        What it says of them; K may be another than that of the labels.
    swapped : array, shape (n, K), or None
        What it says where A and B have changed places. Both are averaged then.
    """
    verdict = np.sign(_margin(probabilities))
    if swapped is not None:
        back = swap_outcomes(swapped)
        consistent = (verdict == np.sign(_margin(back))).astype(np.float64)
        probabilities, rows = (probabilities + back) / 2, np.arange(len(consistent))
    else:
        rows, consistent = _consistency(benchmark, verdict)
    decided, lists = benchmark.decided, [each for each in benchmark.lists if each.tie is None]
    credit = _credit(probabilities, benchmark)
    repeated = np.intersect1d(_repeated(benchmark), decided)
    scores = [*_by_subset(judge, "accuracy", benchmark, decided, credit[decided])]
    if lists:
        sizes = {each.answers for each in lists}
        metric = f"best of {sizes.pop() if len(sizes) == 1 else 'n'}"
        best = np.array([_best_of(*answer_scores(each, probabilities, benchmark)) for each in lists])
        scores += _by_subset(judge, metric, benchmark, _first(lists), best)
    scores += _ties(judge, benchmark, probabilities)
    scores += [*_sections(judge, benchmark, decided, credit[decided])] or _average(judge, scores)
    scores += _mean(judge, "position consistency", benchmark, rows, consistent)
    scores += _mean(judge, "accuracy, repeated votes", benchmark, repeated, credit[repeated])
    return scores


def score_votes(benchmark: Benchmark) -> list[JudgeScore]:
    """Return how well votes on the same two answers agree: with each other, and at most with any judge."""
    label = benchmark.pairs.labels
    oriented = np.where(benchmark.flipped, SWAP[label], label)
    agreement, ceiling = np.zeros(len(label)), np.zeros(len(label))
    for rows in benchmark.same:
        votes = oriented[rows]
        wins = np.array([(votes == side).sum() for side in (Outcome.A_WINS, Outcome.B_WINS)])
        ties = (votes == Outcome.TIE).sum()
        for row, vote in zip(rows, votes, strict=True):
            if vote != Outcome.TIE:
                agreement[row] = (wins[vote] - 1 + ties / 2) / (len(rows) - 1)
                ceiling[row] = _half(float(wins[vote] - wins[1 - vote]))
    repeated = np.intersect1d(_repeated(benchmark), benchmark.decided)
    rows, consistent = _consistency(benchmark, np.sign(_margin(one_hot(label, 3))))
    return [
        *_mean(VOTES, "position consistency", benchmark, rows, consistent),
        *_mean(VOTES, "accuracy, repeated votes", benchmark, repeated, agreement[repeated]),
        *_mean(VOTES, "ceiling, repeated votes", benchmark, repeated, ceiling[repeated]),
    ]


def answer_scores(answers: AnswerList, probabilities: Floats, benchmark: Benchmark) -> tuple[Floats, Floats]:
    """Return the scores of the (c,) chosen and the (r,) rejected answers, in natural log odds.

    They are the least squares fit of differences of scores to the log odds of all c r pairs, in closed form. Of a judge
    that has a reward for each answer they are these rewards, but for the origin.
    """
    odds = np.log(np.clip(probabilities, CLIP, 1.0))
    label = benchmark.pairs.labels[answers.rows].astype(np.int64)
    differences: Floats = odds[answers.rows, label] - odds[answers.rows, 1 - label]
    return differences.mean(axis=1), differences.mean() - differences.mean(axis=0)


def _best_of(chosen: Floats, rejected: Floats) -> float:
    """Return the share of chosen ones among the best answers: `reroll_and_score_dataset` of RewardBench 2."""
    best = max(chosen.max(), rejected.max()) - EVEN
    right, wrong = int((chosen >= best).sum()), int((rejected >= best).sum())
    return right / (right + wrong)


def _ties(judge: str, benchmark: Benchmark, probabilities: Floats) -> list[JudgeScore]:
    """Return the score of RewardBench 2's subset Ties: `process_single_model`, kept in [0, 1]."""
    lists: dict[str, dict[str, AnswerList]] = {"ref": {}, "tied": {}}
    for each in benchmark.lists:
        if each.tie is not None:
            kind, question = each.tie
            lists[kind][question] = each
    both = [question for question in lists["tied"] if question in lists["ref"]]
    scored = [[answer_scores(lists[kind][each], probabilities, benchmark) for kind in ("ref", "tied")] for each in both]
    values = np.array([_tie_score(*ref, *tied) for ref, tied in scored])
    scores = _mean(judge, "ties", benchmark, _first([lists["tied"][question] for question in both]), values)
    return [JudgeScore(s.judge, s.metric, "", min(max(s.value, 0.0), 1.0), s.low, s.high, s.count) for s in scores]


def _tie_score(ref: Floats, wrong_ref: Floats, tied: Floats, wrong: Floats) -> float:
    """Return the score of one question, up to 1.01, from the scores of right and wrong answers in its two rows."""
    gap_ref, gap, spread = ref.min() - wrong_ref.max(), tied.min() - wrong.max(), tied.max() - tied.min()
    smaller = min(gap_ref, gap)
    margin = np.tanh(smaller / max(spread, CLIP) - 1.0) if max(spread, abs(smaller)) > EVEN else 0.0  # 0 / 0 is 0
    parts = [gap_ref > EVEN, gap > EVEN, gap > spread + EVEN, smaller > spread + EVEN, margin]
    return float(np.dot([0.3, 0.3, 0.2, 0.2, 0.01], np.array(parts, dtype=np.float64)))


def _sections(judge: str, benchmark: Benchmark, rows: Ints, values: Floats) -> Iterator[JudgeScore]:
    """Yield the overall score of RewardBench 1 and those of its sections, where the subsets are its own.

    An interval takes the sizes of the subsets as given: it is that of the weighted sum of residuals from their means.
    """
    subset, group = benchmark.subset[rows].astype(str), benchmark.group[rows]
    _, index, counts = np.unique(subset, return_inverse=True, return_counts=True)
    residuals = values - (np.bincount(index, weights=values) / counts)[index] if len(rows) else values
    for section, weight in section_weights(subset).items():
        own = weight > 0
        half = Z * clustered_error((len(rows[own]) * weight * residuals)[own], group[own])
        yield _bounded(judge, "RewardBench 1", section, float(weight @ values), half, len(rows[own]))


def _average(judge: str, scores: list[JudgeScore]) -> list[JudgeScore]:
    """Return the plain mean over subsets: of best of n and ties where there are lists, else of accuracy."""
    parts = [s for s in scores if s.metric.startswith("best of") and s.subset] + [
        s for s in scores if s.metric == "ties"
    ]
    parts = parts or [s for s in scores if s.metric == "accuracy" and s.subset]
    if len(parts) < 2:
        return []
    value = float(np.mean([s.value for s in parts]))
    half = float(np.sqrt(np.sum([np.square((s.high - s.low) / 2) for s in parts])) / len(parts))
    return [_bounded(judge, "mean of subsets", "", value, half, sum(s.count for s in parts))]


def _by_subset(judge: str, metric: str, benchmark: Benchmark, rows: Ints, values: Floats) -> Iterator[JudgeScore]:
    """Yield the mean of values of some rows, and that of each subset."""
    yield from _mean(judge, metric, benchmark, rows, values)
    own = benchmark.subset[rows].astype(str)
    for name in sorted({*own} - {""}):
        yield from _mean(judge, metric, benchmark, rows[own == name], values[own == name], name)


def _mean(
    judge: str, metric: str, benchmark: Benchmark, rows: Ints, values: Floats, subset: str = ""
) -> list[JudgeScore]:
    """Return the mean of values, (m,), of rows, (m,); none where there are no rows."""
    if not len(rows):
        return []
    half = Z * clustered_error(values, benchmark.group[rows])
    return [_bounded(judge, metric, subset, float(values.mean()), half, len(rows))]


def _bounded(judge: str, metric: str, subset: str, value: float, half: float, count: int) -> JudgeScore:
    low, high = np.clip([value - half, value + half], 0.0, 1.0)
    return JudgeScore(judge, metric, subset, value, float(low), float(high), count)


def _margin(probabilities: Floats) -> Floats:
    """Return by how much A is more probable than B, (n,); 0 where they are even."""
    margin: Floats = probabilities[:, Outcome.A_WINS] - probabilities[:, Outcome.B_WINS]
    return np.where(np.abs(margin) > EVEN, margin, 0.0)


def _credit(probabilities: Floats, benchmark: Benchmark) -> Floats:
    """Return 1 where the winner is the more probable side, 1/2 where both are even, else 0: (n,); of ties 1/2."""
    side = np.array([1.0, -1.0, 0.0])[benchmark.pairs.labels]
    credit: Floats = (np.sign(_margin(probabilities) * side) + 1) / 2
    return credit


def _half(margin: float) -> float:
    return float(np.sign(margin) + 1) / 2


def _consistency(benchmark: Benchmark, verdict: Floats) -> tuple[Ints, Floats]:
    """Return the rows whose answers come in the other order too, and the share of those with the same verdict."""
    flipped = benchmark.flipped
    oriented = np.where(flipped, -verdict, verdict)
    places: list[int] = []
    values: list[float] = []
    for rows in benchmark.same:
        for row in rows:
            others = rows[flipped[rows] != flipped[row]]
            if len(others):
                places.append(int(row))
                values.append(float((oriented[others] == oriented[row]).mean()))
    return np.array(places, dtype=np.int64), np.array(values)


def _repeated(benchmark: Benchmark) -> Ints:
    return np.concatenate([np.empty(0, dtype=np.int64), *benchmark.same])


def _first(lists: list[AnswerList]) -> Ints:
    return np.array([each.rows[0, 0] for each in lists], dtype=np.int64)
