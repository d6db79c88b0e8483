"""Benchmarks of judges as files, with the columns of the published ones. Right answers begin with "right" or "yes"."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from prefens.ensemble.judging.reward_bench import SECTIONS

Rows = list[dict[str, Any]]


def reward_bench_1() -> Rows:
    """Return two rows of each subset."""
    subsets = [name for section in SECTIONS.values() for name in section for _ in range(2)]
    return [
        {"prompt": f"Question {row}?", "chosen": f"right {row}", "chosen_model": "one", "rejected": f"wrong {row}",
         "rejected_model": "other", "subset": subset, "id": row}
        for row, subset in enumerate(subsets)
    ]  # fmt: skip


def reward_bench_2() -> Rows:
    """Return rows of lists.

    40 are of 1 chosen and 3 rejected answers; of Ties there are 5 questions, each with one right answer and with 4.
    """
    rows: Rows = [
        {"id": str(row), "prompt": f"Question {row}?", "chosen": [f"right {row}"],
         "rejected": [f"wrong {row} {place}" for place in range(3)], "subset": ("Focus", "Math")[row % 2]}
        for row in range(40)
    ]  # fmt: skip
    for question in range(5):
        for kind, right in (("ref", 1), ("tied", 4)):
            chosen, rejected = [f"yes {place}" for place in range(right)], [f"no {place}" for place in range(5)]
            texts = {"prompt": f"{kind} {question}?", "chosen": chosen, "rejected": rejected}
            rows.append({"id": f"{kind}:{question}", **texts, "subset": "Ties"})
    for row in rows:
        row["num_correct"], row["num_incorrect"] = len(row["chosen"]), len(row["rejected"])
        row["total_completions"] = row["num_correct"] + row["num_incorrect"]
        row["models"] = ["one"] * row["total_completions"]
        row["additional_metadata"] = {"category": None, "method": "natural", "models": ["one"], "valid": 1.0}
    return rows


def judge_bench() -> Rows:
    """Return 12 rows of two sources."""
    rows = []
    for row in range(12):
        answers = (f"right {row}", f"wrong {row}")
        rows.append({
            "pair_id": f"81ec57f2-483f-515f-93ff-{row:012d}", "original_id": str(row),
            "source": ("mmlu-pro-law", "livebench-math")[row // 6], "question": f"Question {row}?",
            "response_model": "one", "response_A": answers[row % 2], "response_B": answers[1 - row % 2],
            "label": ("A>B", "B>A")[row % 2],
        })  # fmt: skip
    return rows


def ppe_human() -> Rows:
    """Return 12 rows, the last four of which are ties of both kinds."""
    rows = []
    for row in range(12):
        answers = (f"right {row}", f"wrong {row}")
        winner = ("model_a", "model_b")[row % 2] if row < 8 else ("tie", "tie (bothbad)")[row % 2]
        tags = {"criteria_v0.1": {"complexity": True}, "if_v0.1": {"if": False, "score": 1}}
        rows.append({
            "question_id": f"q{row}", "model_a": "one", "model_b": "other", "winner": winner,
            "prompt": f"Question {row}?", "response_1": answers[row % 2], "response_2": answers[1 - row % 2],
            "language": "English", "conv_metadata": {"turns": 1, "sum_user_tokens": 3}, "is_code": False,
            "is_refusal": False, "category_tag": tags, "sim": 0.5, "length_a": 7, "length_b": 7, "token_diff": 0.0,
            "longer_won": None, "hard_prompt": False, "easy_prompt": True, "if_prompt": False, "math_prompt": False,
        })  # fmt: skip
    return rows


def ppe_correctness() -> Rows:
    """Return 6 rows of 32 responses, of which every third is right, with 5 pairs each."""
    right = [place % 3 == 0 for place in range(32)]
    pairs = [[0, 1], [2, 3], [30, 31], [5, 27], [9, 10]]
    return [
        {"question_id": f"q{row}", "question": "Which?", "options": ["A", "B"], "answer": "A", "answer_index": 0,
         "category": ("law", "math")[row % 2], "model_name": "one", "parsed_outputs": ["A"] * 32, "scores": right,
         "mean_score": 11 / 32, "prompt": f"Question {row}?",
         **{f"response_{place + 1}": f"{('wrong', 'right')[right[place]]} {row} {place}" for place in range(32)},
         "canary_string": "canary", "conflict_pairs": [*pairs, [6, 7]], "sampled_conflict_pairs": pairs}
        for row in range(6)
    ]  # fmt: skip


# From a benchmark to its rows, its type of file, and the pairs with a winner of each part that is shown.
BENCHMARKS: dict[str, tuple[Callable[[], Rows], str, dict[str, int]]] = {
    "RewardBench 1": (reward_bench_1, "parquet", {name: 2 for section in SECTIONS.values() for name in section}),
    "RewardBench 2": (reward_bench_2, "parquet", {"Focus": 60, "Math": 60, "Ties": 125}),
    "JudgeBench": (judge_bench, "jsonl", {"mmlu-pro-law": 6, "livebench-math": 6}),
    "PPE, human": (ppe_human, "parquet", {"": 8}),
    "PPE, correctness": (ppe_correctness, "parquet", {"": 30}),
}


def write_rows(path: Path, rows: Rows) -> Path:
    """Write a parquet file, or JSON lines."""
    if path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path, index=False)
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    return path


def write_reward_bench(path: Path) -> Path:
    """Write the rows of RewardBench 2."""
    return write_rows(path, reward_bench_2())
