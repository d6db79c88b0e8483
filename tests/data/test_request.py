"""Bodies of requests: every form is the same table, ids come back as they were sent, and what is wrong has its row."""

import json
from typing import Any

import pandas as pd
import pytest

from prefens.data.request import RequestError, as_frame, read_request
from tests.helpers.examples import make_pairs

JSON, CSV = "application/json", "text/csv; charset=utf-8"
ROWS = 10**6
TEXT = ["prompt", "response_a", "response_b"]


def table(ids: list[Any]) -> pd.DataFrame:
    pairs = make_pairs(len(ids))
    turns = {name: [json.dumps(list(cell)) for cell in getattr(pairs, name)] for name in TEXT}
    return pd.DataFrame({"id": pd.Series(ids, dtype=object), **turns, "other": 1})


def refused(body: object, content_type: str = JSON) -> dict[str, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(RequestError) as error:
        read_request(data, content_type, ROWS)
    return {**error.value.as_dict(), "status": error.value.status}


def test_every_form_is_the_same_table() -> None:
    frame = table([1, "x", None, 0.5, 2**60 + 1])
    records, columns = frame.to_dict("records"), frame.to_dict("list")
    split = {"columns": [*frame], "index": [0, 1, 2, 3, 4], "data": frame.to_numpy().tolist()}
    bodies = [
        {"dataframe_records": records}, {"records": records}, records, {"instances": records}, {"inputs": records},
        {"dataframe_split": split}, {"split": split}, split, {"inputs": columns}, {"instances": columns},
    ]  # fmt: skip
    for body in bodies:
        for content_type in (JSON, "application/json; format=pandas-split", "application/json;charset=UTF-8"):
            read = read_request(json.dumps(body).encode(), content_type, ROWS)
            assert read.columns == frame[["id", *TEXT]].to_dict("list")
            assert not read.strict
    read = read_request(b"\xef\xbb\xbf" + frame.to_csv(index=False).encode(), CSV, ROWS)
    assert read.columns["id"] == ["1", "x", None, "0.5", str(2**60 + 1)]
    assert {name: read.columns[name] for name in TEXT} == frame[TEXT].to_dict("list")
    assert as_frame(read.columns).to_dict("list") == read.columns


def test_csv_cells_are_text_as_in_a_file() -> None:
    body = 'id,prompt,response_a,response_b\n007,NA,,null\n\n1e5,"a\r\nb",é,x\n'
    read = read_request(body.encode(), CSV, ROWS)
    assert [*read.columns.values()] == [["007", "1e5"], ["NA", "a\r\nb"], [None, "é"], ["null", "x"]]
    long = '["' + "x" * 200_000 + '"]'
    assert read_request(f"id,prompt,response_a,response_b\n1,{long},{long},{long}".encode(), CSV, ROWS).columns[
        "id"
    ] == ["1"]


def test_strict_refuses_malformed_rows_and_names_them() -> None:
    frame = table([1, 2, 3])
    frame.loc[1, "prompt"] = "not JSON"
    frame["id"] = ["x"] * 3  # nothing is joined by them
    body = {"dataframe_records": frame.to_dict("records"), "params": {"strict": True}}
    answer = refused(body)
    assert answer["error"] == "1 of 3 rows can't be read"
    assert [(row["row"], row["reason"].partition(" (")[0]) for row in answer["rows"]] == [(2, "prompt: invalid JSON")]
    assert len(read_request(json.dumps(body | {"params": {"strict": False}}).encode(), JSON, ROWS).columns["id"]) == 3
    split = {**json.loads(frame.to_json(orient="split")), "params": {"strict": True}}
    assert refused(split)["malformed_rows"] == 1


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b'[{"id": 1, "prompt": "", "response_a": "", "response_b": ""},'
         b' {"id": Infinity, "prompt": "", "response_a": "", "response_b": ""}]', [(2, "id: inf")]),
        (b'{"inputs": {"id": [NaN, [1]], "prompt": [1, 2], "response_a": [1, 2], "response_b": [1, 2]}}',
         [(1, "id: nan"), (2, "id: [1]")]),
        ({"dataframe_records": [{"prompt": ""}, 5, None]}, [(2, "int"), (3, "NoneType")]),
        ({"columns": TEXT, "data": [[1, 2, 3], [1], "abc"]}, [(2, "1 cell, expected 3"), (3, "str")]),
        (b"1e999", None),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(body: Any, rows: list[tuple[int, str]] | None) -> None:
    answer = refused(body)
    assert [(row["row"], row["reason"]) for row in answer.get("rows", ())] == (rows or [])
    json.dumps(answer, allow_nan=False)


def test_csv_rows_of_another_length_are_named() -> None:
    answer = refused(b"prompt,response_a,response_b\n1,2,3\n1,2\n1,2,3,4\n", CSV)
    assert [row["row"] for row in answer["rows"]] == [2, 3]
    assert "no CSV" in refused(b'prompt,response_a,response_b\n"1,2,3\n', CSV)["error"]
    many = refused(b"prompt,response_a,response_b\n" + b"1\n" * 500, CSV)
    assert (many["malformed_rows"], len(many["rows"])) == (500, 100)


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"", JSON, "no JSON"), (b"{", JSON, "no JSON"), (b"\xff", JSON, "no JSON"), (b"[" * 10**5, JSON, "no JSON"),
        (b"1" * 5000, JSON, "no JSON"), (b"5", JSON, "of type int"), (b"{}", JSON, "nothing"),
        ({"records": [], "inputs": []}, JSON, "records, inputs"), ({"records": {}}, JSON, "of type dict"),
        ({"split": []}, JSON, "split table"), ({"split": {"columns": [1], "data": []}}, JSON, "split table"),
        ({"inputs": {"prompt": ["a"], "response_a": []}}, JSON, "one length"), ({"inputs": "x"}, JSON, "type str"),
        ({"columns": ["id"] * 2, "data": []}, JSON, "twice: id"), ([{"prompt": ""}], JSON, "no column response_a"),
        ({"records": [], "params": {"strikt": True}}, JSON, "params"), (b"", CSV, "no column prompt"),
        ({"records": [], "params": {"strict": 1}}, JSON, "params"), (b"\xff\xfe", CSV, "no CSV"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_pairs_is_refused(body: Any, content_type: str, error: str) -> None:
    answer = refused(body, content_type)
    assert error in answer["error"]
    assert answer["status"] == 400
    assert len(json.dumps(answer)) < 2000


def test_rows_above_the_limit_are_refused_before_they_are_checked() -> None:
    body = {"dataframe_records": table([1, 2, 3]).to_dict("records"), "params": {"strict": True}}
    with pytest.raises(RequestError, match="3 rows") as refusal:
        read_request(json.dumps(body).encode(), JSON, 2)
    assert refusal.value.status == 413


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json; charset=latin-1", "text/csv;charset=u7"])
def test_another_content_type_is_refused(content_type: str) -> None:
    assert refused(b"{}", content_type)["status"] == 415


def test_many_names_cost_no_more_than_their_bytes() -> None:
    """A table of names by rows would be 10^10 cells."""
    records = [{str(place): 0 for place in range(10**5)}, *[{}] * 10**5]
    assert "no column" in refused(records)["error"]
    assert "no column" in refused({"columns": [str(place) for place in range(10**5)], "data": []})["error"]
