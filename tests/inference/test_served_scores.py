"""Candidates in requests: rewards and the best one, in turns, and hostile ones answered or refused by row."""

import json
from typing import Any

import numpy as np
import pytest

from prefens.core.types import Floats, Pairs
from prefens.inference.reward_ensemble import Ensemble
from prefens.inference.scorer import Scorer
from prefens.inference.serving import TURN, Gate, Limits, ServedModel

TestClient = pytest.importorskip("starlette.testclient").TestClient
PROMPT = "Name a prime number."


class Longest:
    """A judge that prefers longer answers, and says how many pairs each turn had."""

    reads_plain = False

    def __init__(self) -> None:
        self.turns: list[int] = []

    def rewards(self, pairs: Pairs, ensemble: Ensemble | None = None) -> Floats | None:
        return None

    def predict_pairs(self, pairs: Pairs) -> Floats:
        self.turns.append(len(pairs))
        a, b = (np.array([len("".join(turns)) for turns in side]) for side in (pairs.response_a, pairs.response_b))
        first = 0.9 / (1 + np.exp((b - a) / 10))
        return np.stack([first, 0.9 - first, np.full(len(pairs), 0.1)], axis=1)


class Rewarding(Longest):
    """A judge with a reward for each answer."""

    def rewards(self, pairs: Pairs, ensemble: Ensemble | None = None) -> Floats:
        self.turns.append(len(pairs))
        return np.array([len("".join(turns)) / 10 for turns in pairs.response_a])


def post(predictor: Any, rows: Any, content_type: str = "application/json", **params: Any) -> Any:
    gate = Gate(ServedModel(predictor), Limits(1, 2000, 60))
    body = rows if isinstance(rows, str) else json.dumps({"dataframe_records": rows, "params": params})
    return TestClient(gate, raise_server_exceptions=False).post(
        "/invocations", content=body, headers={"Content-Type": content_type}
    )


def test_candidates_get_their_rewards_and_the_best_one() -> None:
    answers = ["7", "Thirteen is one.", "Four."]
    for predictor in (Longest(), Rewarding()):
        rows = [{"id": "p", "prompt": PROMPT, "responses": answers}, {"id": 2, "prompt": PROMPT, "responses": ["7"]}]
        first, second = post(predictor, rows).json()["predictions"]
        expected = Scorer(predictor).score(PROMPT, answers)
        assert first == {"id": "p", "rewards": expected.rewards.tolist(), "best": 1, "problem": None}
        assert (second["id"], second["best"], len(second["rewards"])) == (2, 0, 1)
    turns = [{"prompt": ["One?", "Two?"], "responses": [["a", "b"], ["a", "longer"]]}]
    assert post(Longest(), turns).json()["predictions"][0]["best"] == 1
    table = 'prompt,responses\nName one.,"[""7"", ""seventeen""]"\n'
    assert post(Longest(), table, "text/csv").json()["predictions"][0]["best"] == 1


def test_hostile_candidates_are_answered_or_refused_by_row() -> None:
    hostile: dict[str, Any] = {
        "none": [], "no list": 5, "missing": None, "no text": ["a", {"b": 1}], "turns": [["a", "b"], "a"],
        "equal": ["same", "same"], "long": ["x" * 100_000, "y"], "halves": ["\ud800", "b"], "nulls": [None, "b"],
        "many": [f"answer {place}" for place in range(1001)],
    }  # fmt: skip
    rows = [{"id": name, "prompt": PROMPT, "responses": own} for name, own in hostile.items()]
    answer = post(Longest(), [*rows, {"id": "no prompt", "responses": ["a"]}])
    assert answer.status_code == 200, answer.text
    found = {row["id"]: row for row in answer.json()["predictions"]}
    refused = {name for name, row in found.items() if row["problem"]}
    assert refused >= {"none", "no list", "missing", "no text", "turns", "many", "no prompt"}
    assert all((row["rewards"] is None) == (row["best"] is None) == bool(row["problem"]) for row in found.values())
    assert found["equal"]["rewards"] == [0.0, 0.0]
    assert found["long"]["best"] == 0
    strict = post(Longest(), rows, strict=True)
    assert (strict.status_code, strict.json()["rows"][0]["row"]) == (400, 1)


def test_requests_of_too_many_answers_are_refused_whole() -> None:
    rows = [{"prompt": PROMPT, "responses": ["a"] * 700} for _ in range(3)]
    answer = post(Longest(), rows)
    assert (answer.status_code, answer.json()["error"]) == (413, "2100 responses")
    assert post(Longest(), [{"responses": ["a"]}]).json()["error"].startswith("no column prompt")


def test_a_thousand_answers_take_many_turns() -> None:
    for predictor in (Longest(), Rewarding()):
        rows = [{"prompt": PROMPT, "responses": [f"{place:0{1 + place % 97}d}" for place in range(1000)]}]
        (row,) = post(predictor, rows).json()["predictions"]
        assert len(row["rewards"]) == 1000
        assert len(predictor.turns) > 10
        assert max(predictor.turns) == TURN
