"""A file of candidates is scored row by row: refused rows are named, and a stopped run goes on to the same bits."""

import json
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from prefens.core import shutdown
from prefens.core.shutdown import Stopped
from prefens.core.types import Floats, Pairs
from prefens.data.candidates import Candidates, make_candidates
from prefens.inference.candidate_scores import UNFINISHED, ScoredRow, score_file
from prefens.inference.reward_ensemble import Ensemble
from prefens.inference.scorer import Scorer


class Impatient(SimpleNamespace):
    """A judge that prefers the longer answer, and stops a run at its `stop`-th call."""

    calls = 0

    def rewards(self, pairs: Pairs, ensemble: Ensemble | None = None) -> Floats | None:
        return None

    def predict_pairs(self, pairs: Pairs) -> Floats:
        self.calls += 1
        if self.calls == getattr(self, "stop", None):
            raise Stopped("asked to stop", 143)
        sizes = [[len(side[row][0]) for side in (pairs.response_a, pairs.response_b)] for row in range(len(pairs))]
        d = 0.01 * np.subtract(*np.array(sizes).T)
        weights = np.stack([np.exp(d / 2), np.exp(-d / 2), np.ones(len(d))], axis=1)
        probabilities: Floats = weights / weights.sum(axis=1, keepdims=True)
        return probabilities


def rows(count: int = 9) -> list[Candidates]:
    made: list[Candidates] = []
    for row in range(count):
        answers: Any = [] if row == 2 else ["x" * (row + place) for place in range(100)]
        made.append(make_candidates(f"r{row}", "Why?", answers, 50 if row == 3 else None))
    return made


def scored(judge: Impatient, out: Path, key: Any = "k") -> list[ScoredRow]:
    return score_file(Scorer(judge, 300), rows(), out, key)


def test_every_row_is_scored_or_refused(tmp_path: Path) -> None:
    done = scored(Impatient(), tmp_path)
    assert [row.id for row in done] == [f"r{row}" for row in range(9)]
    assert [row.id for row in done if row.problem] == ["r2"]
    assert done[2].rewards is None
    assert {row.best for row in done if not row.problem} == {99}
    assert [row.chosen for row in done[:5]] == [None, None, None, False, None]
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert [ScoredRow(**line) for line in lines] == done
    table = pq.read_table(tmp_path / "scores.parquet")
    assert table.num_rows == 800
    assert sum(table["best"].to_pylist()) == 8
    assert not (tmp_path / UNFINISHED).exists()


@pytest.mark.parametrize("cut", [0, 7])
def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path, cut: int) -> None:
    (tmp_path / "whole").mkdir()
    whole = scored(Impatient(), tmp_path / "whole")
    with pytest.raises(Stopped):
        scored(Impatient(stop=3), tmp_path)
    path = tmp_path / UNFINISHED
    content = path.read_text()
    path.write_text(content[: len(content) - cut])
    again = Impatient()
    assert scored(again, tmp_path) == whole
    fresh = Impatient()
    assert scored(fresh, tmp_path) == whole
    assert again.calls < fresh.calls


def test_a_spent_time_budget_stops_between_blocks_and_every_run_gets_on(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = scored(Impatient(), tmp_path / "whole")
    stops = 0
    try:
        while not (tmp_path / "scores.jsonl").exists():
            shutdown.set_deadline(1.0)
            with suppress(Stopped):
                scored(Impatient(), tmp_path)
            stops += (tmp_path / UNFINISHED).exists()
    finally:
        shutdown.set_deadline(None)
    assert stops == 2  # the third block is the last
    lines = (tmp_path / "scores.jsonl").read_text().splitlines()
    assert [ScoredRow(**json.loads(line)) for line in lines] == whole


def test_what_another_model_scored_is_not_taken_over(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        scored(Impatient(stop=3), tmp_path)
    judge = Impatient()
    scored(judge, tmp_path, "another key")
    fresh = Impatient()
    scored(fresh, tmp_path)
    assert judge.calls == fresh.calls
