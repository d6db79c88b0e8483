"""How good judges are on a benchmark of pairs: accuracy, best of n, position consistency, agreement with people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.ensemble.judging.benchmark import AnswerList, Benchmark, make_benchmark
    from prefens.ensemble.judging.scores import JudgeScore, score_judge, score_votes

__all__ = ["AnswerList", "Benchmark", "JudgeScore", "make_benchmark", "score_judge", "score_votes"]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
