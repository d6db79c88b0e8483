"""A file of candidates is scored row by row: models are loaded once, and a stopped run goes on to the same bits."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from prefens.core import shutdown
from prefens.core.errors import ConfigError
from prefens.core.shutdown import Stopped
from prefens.core.types import Floats, Pairs
from prefens.data.candidates import Candidates, make_candidates
from prefens.ensemble.registry import restore
from prefens.inference import candidate_scores
from prefens.inference.candidate_scores import UNFINISHED, ScoredRow, score_file
from prefens.inference.predictor import Predictor
from prefens.inference.reward_ensemble import Ensemble
from prefens.inference.scorer import Scorer, member_predictor
from prefens.members.style import StyleMember
from prefens.members.textcnn import TextCnnMember
from prefens.store.split_store import SplitStore

MOST = 12  # pairs of a prompt
READABLE = 7


@pytest.fixture
def blend(rewarding: SplitStore) -> Predictor:
    """A blend of a member without rewards and two with rewards, of two folds."""
    blender = restore({"method": "soft_vote", "members": 3, "weights": [0.5, 0.3, 0.2]})
    return Predictor(rewarding, "soft_vote", rewarding.member_names(), blender, 2, np.full(3, 1 / 3), ())


@pytest.fixture
def style(blend: Predictor) -> Predictor:
    """The member without rewards."""
    return member_predictor(blend, blend.members[0])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three blocks of the rows."""
    monkeypatch.setattr(candidate_scores, "BLOCK_ANSWERS", 16)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each stored model was loaded."""
    counts: Counter[str] = Counter()

    def counting(load: Any) -> Any:
        def counted(folder: Path, *more: Any) -> Any:
            counts[str(folder)] += 1
            return load(folder, *more)

        return staticmethod(counted)

    for kind in (StyleMember, TextCnnMember):
        monkeypatch.setattr(kind, "load", counting(kind.load))
    return counts


def rows() -> list[Candidates]:
    made: list[Candidates] = []
    for row in range(READABLE + 2):
        answers: Any = (
            [] if row in (2, 8) else ["alone"] if row == 5 else ["good red " * (place + row) for place in range(8)]
        )
        made.append(make_candidates(f"r{row}", "Why?", answers, 4 if row == 3 else None))
    return made


def block_by_block(predictor: Predictor, ensemble: Ensemble | None = None) -> list[list[float] | None]:
    """Return the rewards of the rows by a scorer that is asked about each block anew."""
    scorer = Scorer(predictor, MOST, ensemble)
    blocks = ([0, 1], [3, 4], [5, 6, 7])
    scored = {
        place: scores.rewards.tolist()
        for block in blocks
        for place, scores in zip(block, scorer.score_all([rows()[place] for place in block]), strict=True)
    }
    return [scored.get(place) for place in range(len(rows()))]


def test_every_row_is_scored_or_refused(style: Predictor, tmp_path: Path) -> None:
    done = score_file(style, rows(), tmp_path, MOST)
    assert [row.id for row in done] == [f"r{row}" for row in range(9)]
    assert [row.id for row in done if row.problem] == ["r2", "r8"]
    assert [row.rewards is None for row in done] == [bool(row.problem) for row in done]
    assert [row.best for row in done if row.rewards] == [int(np.argmax(row.rewards)) for row in done if row.rewards]
    assert [row.chosen for row in done] == [None] * 3 + [done[3].best in range(4)] + [None] * 5
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert [ScoredRow(**line) for line in lines] == done
    table = pq.read_table(tmp_path / "scores.parquet")
    assert table.num_rows == 8 * (READABLE - 1) + 1
    assert sum(table["best"].to_pylist()) == READABLE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.jsonl", "scores.parquet"]


def test_each_model_is_loaded_once(blend: Predictor, style: Predictor, loads: Counter[str], tmp_path: Path) -> None:
    for predictor, models in ((blend, 6), (style, 2), (member_predictor(blend, blend.members[1]), 2)):
        loads.clear()
        score_file(predictor, rows(), tmp_path, MOST)
        assert [*loads.values()] == [1] * models


@pytest.mark.slow
def test_no_block_changes_a_bit_of_another(blend: Predictor, style: Predictor, tmp_path: Path) -> None:
    networks = restore({"method": "soft_vote", "members": 3, "weights": [0.0, 0.75, 0.25]})
    pair = replace(blend, blender=networks)
    for predictor, ensemble in ((blend, None), (style, None), (pair, Ensemble.mean), (pair, Ensemble.mean_minus_std)):
        done = score_file(predictor, rows(), tmp_path, MOST, ensemble)
        assert [row.rewards for row in done] == block_by_block(predictor, ensemble)


def test_what_has_no_rewards_is_refused_before_a_model_is_loaded(
    blend: Predictor, loads: Counter[str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"ensemble=worst: {blend.members[0]} has no reward"):
        score_file(blend, rows(), tmp_path, MOST, Ensemble.worst)
    assert not loads
    assert score_file(blend, [rows()[2]], tmp_path)[0].problem  # nothing to ask
    assert not loads


class Interrupted:
    """Counts what is asked of members, and stops a run before one of them."""

    def __init__(self, ask: Callable[..., Any], stop: int | None = None) -> None:
        self.ask, self.stop, self.calls = ask, stop, 0

    def __call__(self, member: Any, pairs: Pairs) -> Floats:
        self.calls += 1
        if self.calls == self.stop:
            raise Stopped("asked to stop", 143)
        answer: Floats = self.ask(member, pairs)
        return answer


def interrupted(monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> Callable[[int | None], Interrupted]:
    ask = getattr(kind, name)

    def install(stop: int | None) -> Interrupted:
        own = Interrupted(ask, stop)
        monkeypatch.setattr(kind, name, lambda member, pairs: own(member, pairs))
        return own

    return install


@pytest.mark.parametrize("asked", ["predict_proba", "rewards"])
def test_a_stopped_run_goes_on_where_it_was(
    blend: Predictor, loads: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    rewarded = asked == "rewards"
    predictor = member_predictor(blend, blend.members[int(rewarded)])
    install = interrupted(monkeypatch, TextCnnMember if rewarded else StyleMember, asked)
    (tmp_path / "whole").mkdir()
    whole, fresh = score_file(predictor, rows(), tmp_path / "whole", MOST), install(None)
    assert score_file(predictor, rows(), tmp_path, MOST) == whole
    install(fresh.calls)
    with pytest.raises(Stopped):  # before the last
        score_file(predictor, rows(), tmp_path, MOST)
    assert (tmp_path / UNFINISHED).is_dir()
    again = install(None)
    loads.clear()
    assert score_file(predictor, rows(), tmp_path, MOST) == whole
    assert (again.calls, len(loads)) == (1, 1)  # what has answered all is not loaded
    assert not (tmp_path / UNFINISHED).exists()


@pytest.fixture
def no_deadline() -> Iterator[None]:
    yield
    shutdown.set_deadline(None)


@pytest.mark.usefixtures("no_deadline")
@pytest.mark.parametrize("place", [0, 1])
def test_a_spent_time_budget_stops_between_blocks_and_every_run_gets_on(
    blend: Predictor, tmp_path: Path, place: int
) -> None:
    predictor, stopped = member_predictor(blend, blend.members[place]), 0
    while not (tmp_path / "scores.jsonl").exists():
        shutdown.set_deadline(1.0)
        with suppress(Stopped):
            score_file(predictor, rows(), tmp_path, MOST)
        stopped += (tmp_path / UNFINISHED).exists()
    assert stopped == 2 * 3 - 1  # two fold models, three blocks
    shutdown.set_deadline(None)
    lines = (tmp_path / "scores.jsonl").read_text().splitlines()
    (tmp_path / "whole").mkdir()
    whole = score_file(predictor, rows(), tmp_path / "whole", MOST)
    assert [json.loads(line) for line in lines] == [asdict(row) for row in whole]


def test_what_another_member_said_is_not_taken_over(
    blend: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (member_predictor(blend, name) for name in blend.members[1:])
    (tmp_path / "whole").mkdir()
    whole = score_file(other, rows(), tmp_path / "whole", MOST)
    install = interrupted(monkeypatch, TextCnnMember, "rewards")
    install(6)
    with pytest.raises(Stopped):
        score_file(one, rows(), tmp_path, MOST)
    install(None)
    assert score_file(other, rows(), tmp_path, MOST) == whole
