"""Grades and ranks: the sign is the winner, whatever the scale."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefens.core.errors import DataError
from prefens.data.load import load_pairs
from prefens.data.loaded import LoadedPairs


def load(path: Path, *rows: dict[str, Any]) -> LoadedPairs:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_pairs(path)


def test_the_sign_is_the_winner(tmp_path: Path) -> None:
    texts = {"context": [{"role": "user", "content": "p"}], "response1": "a", "response2": "b"}
    rows = [{**texts, "id": place, "overall_preference": place} for place in range(-3, 4)]
    assert load(tmp_path / "x", *rows).pairs.labels.tolist() == [0, 0, 0, 2, 1, 1, 1]
    rows = [{**texts, "id": place, "score_1": 0.5 * place, "score_2": 1} for place in range(4)]
    assert load(tmp_path / "x", *rows).pairs.labels.tolist() == [1, 1, 2, 0]


def test_equal_scores_of_chosen_and_rejected_are_ties(tmp_path: Path) -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b", "score_chosen": 7, "score_rejected": 7}
    loaded = load(tmp_path / "x", row)
    assert (loaded.pairs.labels.tolist(), loaded.metadata["tie"].tolist()) == ([2], ["tie"])
    with pytest.raises(DataError, match=r"score_chosen .*expected a finite number"):
        load(tmp_path / "x", row, {**row, "score_chosen": None})


def test_every_two_ranked_answers_are_a_pair(tmp_path: Path) -> None:
    answers = [{"answer": text, "model": f"m{text}", "rank": rank} for text, rank in (("a", 1.0), ("b", 2), ("c", 2))]
    pairs = load(tmp_path / "x", {"prompt": "p", "answers": answers}).pairs
    assert len(set(pairs.ids)) == len(pairs) == 3
    for a, b, label, model in zip(pairs.response_a, pairs.response_b, pairs.labels, pairs.model_a, strict=True):  # type: ignore[arg-type]
        assert model == f"m{a[0]}"
        assert label == (2 if "a" not in (a[0], b[0]) else 0 if a[0] == "a" else 1)
    assert np.isin(pairs.labels, [0, 1]).sum() == 2
