"""Every format is told by its columns and gives the same pairs from every file type, in every order."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefens.core.errors import ConfigError, DataError
from prefens.core.types import Pairs
from prefens.data.load import load_pairs
from prefens.data.sources import FileSource
from tests.helpers.formats import FORMATS, format_bytes, shuffled, verdicts
from tests.helpers.tables import TYPES

SWAPS = {"model_a": "model_b", "A>B": "B>A", "response_a": "response_b", "conversation_a": "conversation_b"}
SWAPS |= {"response_A": "response_B", "response1": "response2", "chosen": "rejected"}
SWAPS |= {"score_chosen": "score_rejected", "winner_model_a": "winner_model_b"}
SWAPS |= {other: one for one, other in SWAPS.items()}
SIDED = [name for name, (reader, *_) in FORMATS.items() if reader in ("one_hot", "winner") or name == "helpsteer"]


def written(path: Path, frame: pd.DataFrame, kind: str = "parquet") -> Path:
    path.write_bytes(format_bytes(frame, kind))
    return path


def by_id(pairs: Pairs) -> list[tuple[object, ...]]:
    names = ("ids", "prompt", "response_a", "response_b", "label")
    return sorted(zip(*(getattr(pairs, name).tolist() for name in names), strict=True))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_of_file_and_every_order_gives_the_same_pairs(
    tmp_path: Path, kind: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader, table, pairs = FORMATS[name]
    frame = table(pairs)
    with caplog.at_level(logging.INFO):
        loaded = load_pairs(written(tmp_path / "x", frame, kind)).pairs
    assert caplog.text.count(f"format {reader} ") == 1
    assert verdicts(loaded) == verdicts(pairs)
    assert len(set(loaded.ids)) == len(loaded) == len(pairs)
    if name in SIDED:
        assert by_id(loaded) == by_id(pairs)
    again = load_pairs(written(tmp_path / "y", shuffled(frame), kind), name=reader).pairs
    assert by_id(again) == by_id(loaded)


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("nectar", "ppe correctness")])
def test_swapped_sides_give_swapped_labels(tmp_path: Path, name: str) -> None:
    _, table, pairs = FORMATS[name]
    frame = table(pairs)
    swapped = frame.rename(columns=SWAPS)
    for column in {"winner", "label"} & {*swapped}:
        swapped[column] = swapped[column].replace(SWAPS)
    if "overall_preference" in swapped:
        swapped["overall_preference"] *= -1
    one, other = (load_pairs(written(tmp_path / "x", each)).pairs for each in (frame, swapped))
    if name in SIDED:
        assert by_id(other.swapped()) == by_id(one)
    elif "score_chosen" in frame:  # the scores go with the texts
        assert verdicts(other) == verdicts(one)
    else:  # another response is the chosen one
        assert verdicts(other) == {(prompt, kind, loser, winner) for prompt, kind, winner, loser in verdicts(one)}


BAD = [
    ("wsdm", "winner", "neither", r"winner 'neither', expected one of model_a"),
    ("wsdm", "winner", None, r"winner 'None'|winner None"),
    ("wsdm", "winner", "0", r"winner '0', expected"),
    ("judgebench", "label", "A>>B", r"label 'A>>B', expected"),
    ("arena", "conversation_a", [], "without messages"),
    ("arena", "conversation_a", [{"role": "poet", "content": "x"}], "role 'poet', expected one of user"),
    ("arena", "conversation_b", [{"role": "user", "content": "another"}], "different prompts"),
    ("helpsteer", "overall_preference", float("nan"), "overall_preference .*, expected a finite number"),
    ("nectar", "answers", [{"answer": "x", "model": "m", "rank": 1}], "expected two objects"),
    ("skywork", "chosen", [{"role": "user", "content": "another"}], "no common beginning"),
    ("ppe correctness", "scores", [True, False], "scores 0 and nan of .*1, 3.*two different numbers"),
    ("ppe correctness", "scores", "right", "scores: 'right' .*expected a list"),
    ("ppe correctness", "sampled_conflict_pairs", [[1, 4]], "expected places of two responses, from 0"),
    ("ppe correctness", "sampled_conflict_pairs", [[2, 2]], "expected two places"),
    ("one_hot", "winner_tie", 7, "label .*expected one 1"),
]


@pytest.mark.parametrize(("name", "column", "value", "message"), BAD)
def test_what_can_not_be_read_is_refused_by_row(
    tmp_path: Path, name: str, column: str, value: object, message: str
) -> None:
    _, table, pairs = FORMATS[name]
    frame = table(pairs)
    frame[column] = frame[column].astype(object)
    frame.at[4, column] = value
    path = written(tmp_path / "x.jsonl", frame, "json lines")
    with pytest.raises(DataError, match=f"1 of 12 rows can't be read as pairs:\n    row 5 \\(id .*{message}"):
        load_pairs(path)
    loaded = load_pairs(path, strict=False)
    assert (len(loaded.pairs), len(loaded.ids), [*loaded.problems]) == (11, 12, [4])


def test_ten_rows_are_named_at_once(tmp_path: Path) -> None:
    frame = FORMATS["wsdm"][1](FORMATS["wsdm"][2]).assign(winner="?")
    with pytest.raises(DataError, match="12 of 12") as caught:
        load_pairs(written(tmp_path / "x", frame))
    assert caught.value.came.count("expected one of") == 10
    assert "2 more rows" in caught.value.came


def test_columns_can_be_renamed(tmp_path: Path) -> None:
    _, table, pairs = FORMATS["wsdm"]
    path = written(tmp_path / "x", table(pairs).rename(columns={"prompt": "text", "winner": "prompt"}), "csv")
    loaded = FileSource(path=str(path), columns={"prompt": "text", "winner": "prompt"}).load().pairs
    assert by_id(loaded) == by_id(pairs)
    with pytest.raises(DataError, match="no column none"):
        FileSource(path=str(path), columns={"prompt": "none"}).load()
    with pytest.raises(ConfigError, match=r"data\.columns=\['x'\]"):
        FileSource(path=str(path), columns=["x"])


def test_a_format_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x", FORMATS["trl"][1](FORMATS["trl"][2]))
    with pytest.raises(DataError, match=r"not of the format winner .*columns: id, prompt, chosen, rejected"):
        load_pairs(path, name="winner")
    with pytest.raises(ConfigError, match=r"data\.format=csv"):
        FileSource(path=str(path), format="csv").load()


def test_test_rows_need_no_label(tmp_path: Path) -> None:
    for name in FORMATS:
        _, table, pairs = FORMATS[name]
        frame = table(pairs).drop(columns=["winner", "label"], errors="ignore")
        frame = frame.assign(scored=True) if name == "wsdm" else frame
        loaded = load_pairs(written(tmp_path / "x", frame), labelled=False)
        assert loaded.pairs.label is None
        assert len(loaded.pairs) == len(pairs), name
        if name in SIDED:
            np.testing.assert_array_equal(loaded.pairs.response_a, pairs.response_a)
