"""Votes in one column: the kind of a tie is kept, and so are models and languages."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from prefens.data.load import load_pairs

ROWS = pd.DataFrame(
    {
        "question_id": [81, 81, 82, 83],
        "model_a": "m",
        "model_b": ["n", "o", "n", "n"],
        "prompt": "p",
        "response_1": "a",
        "response_2": "b",
        "winner": ["Model_A", "tie", "tie (bothbad)", "both_bad"],
        "language": ["English", "Polish", None, "English"],
    }
)


def test_kinds_of_ties_models_and_languages_are_kept(tmp_path: Path) -> None:
    ROWS.to_parquet(tmp_path / "x")
    loaded = load_pairs(tmp_path / "x")
    assert loaded.pairs.labels.tolist() == [0, 2, 2, 2]
    assert Counter(loaded.metadata["tie"]) == {"": 1, "tie": 1, "both bad": 2}
    assert loaded.metadata["language"].tolist() == ["English", "Polish", "", "English"]
    assert loaded.pairs.model_b is not None
    assert loaded.pairs.model_b.tolist() == ["n", "o", "n", "n"]


def test_an_id_of_the_question_counts_where_it_is_of_one_row(tmp_path: Path) -> None:
    ROWS.to_csv(tmp_path / "x", index=False)
    ids = load_pairs(tmp_path / "x").pairs.ids.tolist()
    assert ids[2:] == ["82", "83"]
    assert len(set(ids)) == 4
    assert "81" not in ids


@pytest.mark.parametrize("turns", [["one"], ["one", "two"]])
def test_lists_of_turns_are_read_as_in_the_competition(tmp_path: Path, turns: list[str]) -> None:
    frame = pd.DataFrame({"id": [1], "prompt": [turns], "response_a": [turns], "response_b": [turns], "winner": "a"})
    frame.to_parquet(tmp_path / "x")
    assert load_pairs(tmp_path / "x").pairs.prompt[0] == tuple(turns)
