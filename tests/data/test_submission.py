"""The submission file: the competition's columns, and probabilities only."""

import csv
from pathlib import Path

import numpy as np
import pytest

from prefens.data.submission import write_submission
from tests.helpers.examples import column


def test_a_submission_refuses_what_is_no_probability(tmp_path: Path) -> None:
    path = tmp_path / "submission.csv"
    for bad in ([[0.5, 0.5, 0.5]], [[np.nan, 0.5, 0.5]], [[-0.1, 0.6, 0.5]]):
        with pytest.raises(ValueError):
            write_submission(path, column(["1"]), np.array(bad))
    assert not path.exists()
    write_submission(path, column(["007"]), np.array([[0.2, 0.3, 0.5]]))
    assert path.read_text() == "id,winner_model_a,winner_model_b,winner_tie\n007,0.200000000,0.300000000,0.500000000\n"


def test_winners_and_two_outcomes(tmp_path: Path) -> None:
    path, ids, two = tmp_path / "submission.csv", column(["7", "8"]), np.array([[0.2, 0.8], [0.5, 0.5]])
    write_submission(path, ids, two)
    assert path.read_text().splitlines()[:2] == ["id,winner_model_a,winner_model_b", "7,0.200000000,0.800000000"]
    write_submission(path, ids, two, "winner")
    assert path.read_text() == "id,winner\n7,model_b\n8,model_a\n"
    write_submission(path, ids, np.full((2, 3), 1 / 3), "winner", decided=np.array([2, 1]))
    assert path.read_text() == "id,winner\n7,tie\n8,model_b\n"
    with pytest.raises(ValueError, match="2 or 3"):
        write_submission(path, ids, np.ones((2, 1)))


@pytest.mark.parametrize("id_", ["a\rb", "a\nb", 'a"b', "a,b", "\r"])
def test_every_id_comes_back(tmp_path: Path, id_: str) -> None:
    path = write_submission(tmp_path / "submission.csv", column([id_, "2"]), np.full((2, 3), 1 / 3))
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    assert [row[0] for row in rows[1:]] == [id_, "2"]
    assert all(len(row) == 4 for row in rows)
