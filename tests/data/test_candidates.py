"""Files of candidates: texts and turns, RewardBench 2's columns, CSV, and rows that can't be read."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from prefens.core.errors import DataError
from prefens.data.candidates import Candidates, read_candidates


def read(path: Path, rows: list[Any]) -> list[Candidates]:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return read_candidates(path)


def answers_of(row: Candidates) -> list[tuple[str, ...]]:
    assert row.answers is not None, row.problem
    assert row.answers.response_a.tolist() == row.answers.response_b.tolist()
    answers: list[tuple[str, ...]] = row.answers.response_a.tolist()
    return answers


def test_answers_are_texts_or_turns(tmp_path: Path) -> None:
    one, turns = read(
        tmp_path / "c.jsonl",
        [
            {"id": "p1", "prompt": "Why?", "responses": ["a", "b", "a"]},
            {"id": "p2", "prompt": ["Why?", "And?"], "responses": [["a", "b"], ["c", "d"]]},
        ],
    )
    assert (one.id, turns.id) == ("p1", "p2")
    assert answers_of(one) == [("a",), ("b",), ("a",)]
    assert answers_of(turns) == [("a", "b"), ("c", "d")]
    assert turns.answers is not None
    assert turns.answers.prompt.tolist() == [("Why?", "And?")] * 2


def test_reward_bench_2_says_which_are_chosen(tmp_path: Path) -> None:
    best, ties = read(
        tmp_path / "rb2.jsonl",
        [
            {"id": "1", "prompt": "Why?", "chosen": ["a"], "rejected": ["b", "c", "d"], "subset": "Math"},
            {"id": "2", "prompt": "Color?", "chosen": ["red", "blue"], "rejected": ["seven"], "subset": "Ties"},
        ],
    )
    assert (len(answers_of(best)), best.n_chosen) == (4, 1)
    assert (len(answers_of(ties)), ties.n_chosen) == (3, 2)


def test_csv_holds_lists_as_json(tmp_path: Path) -> None:
    pd.DataFrame({"prompt": ["Why?"], "responses": ['["a", "b"]']}).to_csv(tmp_path / "c.csv", index=False)
    (row,) = read_candidates(tmp_path / "c.csv")
    assert (row.id, answers_of(row)) == ("1", [("a",), ("b",)])


def test_rows_that_cannot_be_read_are_named_alone(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "c.jsonl",
        [
            {"prompt": "Why?", "responses": ["fine"]},
            {"prompt": "Why?", "responses": []},
            {"prompt": "Why?"},
            {"prompt": None, "responses": ["a"]},
            {"prompt": ["one", "two"], "responses": [["a", "b"], ["a"]]},
            "{broken",
            {"prompt": "Why?", "responses": ["x" * 100_000, "\ud800"]},
        ],
    )
    assert [bool(row.problem) for row in rows] == [False, True, True, True, True, True, False]
    assert rows[1].problem.startswith("0 answers")
    assert rows[2].problem == "no list of answers"
    assert "prompt" in rows[3].problem
    assert rows[4].problem.startswith("answer 2 of 2")
    assert len(answers_of(rows[6])[0][0]) == 100_000


def test_a_file_without_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="responses"):
        read(tmp_path / "c.jsonl", [{"prompt": "Why?", "answer": "a"}])
