"""A frame of raw pairs is read as a file is."""

import json

import numpy as np
import pandas as pd
import pytest

from prefens.core.errors import DataError
from prefens.data.frame import load_frame
from prefens.data.load import load_pairs
from prefens.data.loaded import TEXT
from tests.helpers.examples import make_pairs, write_csv


@pytest.fixture
def frame(tmp_path) -> pd.DataFrame:
    return pd.read_csv(write_csv(tmp_path / "test.csv", make_pairs(8), labelled=False))


def test_a_frame_is_read_as_its_file_is(frame: pd.DataFrame, tmp_path) -> None:
    expected = load_pairs(tmp_path / "test.csv", labelled=False).pairs
    for given in (frame, frame.assign(id=frame.id.astype(float)), frame.set_index("id", drop=False)):
        found = load_frame(given).pairs
        for name in ("prompt", "response_a", "response_b"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_texts_may_be_lists(frame: pd.DataFrame, kind) -> None:
    lists = frame.copy()
    lists["prompt"] = [kind(json.loads(cell)) for cell in frame.prompt]
    np.testing.assert_array_equal(load_frame(lists).pairs.prompt, load_frame(frame).pairs.prompt)


def test_ids_are_not_looked_at(frame: pd.DataFrame) -> None:
    for given in (frame, frame.drop(columns="id"), frame.assign(id=1), frame.assign(id=None)):
        loaded = load_frame(given)
        assert loaded.ids.tolist() == [str(row) for row in range(1, 9)]
        assert not loaded.problems


def test_what_is_malformed_is_listed_or_refused(frame: pd.DataFrame) -> None:
    broken = frame.astype(object)
    broken.loc[1, "prompt"] = "plain text"
    broken.loc[2, "response_a"] = 7
    broken.loc[5, "prompt"] = None  # an empty text, not a malformed one
    broken.loc[6, "prompt"] = '["half a \ud83d pair"]'
    loaded = load_frame(broken)
    assert [*loaded.problems] == [1, 2]
    assert len(loaded.pairs) == 6
    with pytest.raises(DataError, match="2 of 8 rows"):
        load_frame(broken, strict=True)


def test_plain_texts_are_texts_where_they_may_be(frame: pd.DataFrame) -> None:
    plain = frame.assign(**{name: [json.loads(cell)[0] for cell in frame[name]] for name in TEXT})
    plain.loc[3, "prompt"] = '["a", "list"]'  # prompts may be about JSON
    plain.loc[4, "response_a"] = None
    loaded = load_frame(plain, plain=True)
    assert not loaded.problems
    for name in TEXT:
        np.testing.assert_array_equal(
            [turns for (turns,) in getattr(loaded.pairs, name)], plain[name].fillna("").tolist()
        )
    assert len(load_frame(plain).problems) == 8
    for name in TEXT:
        both = (getattr(load_frame(frame, plain=each).pairs, name).tolist() for each in (True, False))
        assert len({str(turns) for turns in both}) == 1


def test_missing_columns_and_empty_frames(frame: pd.DataFrame) -> None:
    for name in TEXT:
        with pytest.raises(DataError, match=f"no column {name}"):
            load_frame(frame.drop(columns=name))
    assert len(load_frame(frame.head(0)).ids) == 0
