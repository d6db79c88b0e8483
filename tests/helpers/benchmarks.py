"""Benchmarks of judges as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_reward_bench(path: Path) -> Path:
    """Write rows as RewardBench 2 has them.

    40 are of 1 chosen and 3 rejected answers; of Ties there are 5 questions, each with one right answer and with 4.
    """
    rows: list[dict[str, Any]] = [
        {"id": str(row), "prompt": f"Question {row}?", "chosen": [f"right {row}"],
         "rejected": [f"wrong {row} {place}" for place in range(3)], "subset": ("Focus", "Math")[row % 2]}
        for row in range(40)
    ]  # fmt: skip
    for question in range(5):
        for kind, right in (("ref", 1), ("tied", 4)):
            chosen, rejected = [f"yes {place}" for place in range(right)], [f"no {place}" for place in range(5)]
            texts = {"prompt": f"{kind} {question}?", "chosen": chosen, "rejected": rejected}
            rows.append({"id": f"{kind}:{question}", **texts, "subset": "Ties"})
    path.write_text("\n".join(map(json.dumps, rows)))
    return path
