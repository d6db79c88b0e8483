"""Identifiers and numbers: one rule, whatever the type of the file."""

import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefens.data.cells import flag, number, read_ids
from prefens.data.raw import RawTable


def ids_of(*pieces: pa.Array) -> tuple[list[str], dict[int, str]]:
    problems: dict[int, str] = {}
    table = RawTable("x", {"id": list(pieces)}, sum(map(len, pieces)), ("id",))
    return read_ids(table, problems).tolist(), problems


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1, unique=True), st.data())
def test_whole_numbers_are_integers_however_they_are_stored(values: list[int], data: st.DataObject) -> None:
    gap = data.draw(st.sampled_from([".0", ".00", ""]))
    expected = [str(value) for value in values]
    for array in (
        pa.array(values, pa.int64()),
        pa.array(map(float, values), pa.float64()),
        pa.array(map(Decimal, values), pa.decimal128(20, 2)),
        pa.array([f"{value}{gap}" for value in values]),
        pa.array([f"{value}".encode() for value in values]),
    ):
        if array.type == pa.binary():
            array = array.cast(pa.string())
        assert ids_of(array) == (expected, {})
    assert ids_of(pa.array(values[:1], pa.int64()), pa.array([f"{value}.0" for value in values[1:]]))[0] == expected


@pytest.mark.parametrize("text", ["007", "1e5", "a", "1.5", "01.0", "1.", "-0.0", "+1.0", "0x10", " 3.0"])
def test_other_text_is_kept_as_it_is(text: str) -> None:
    assert ids_of(pa.array([text, "12.0"])) == ([text, "12.0"], {})


def test_the_order_of_rows_changes_no_id() -> None:
    texts = ["1.0", "", "abc"]
    assert ids_of(pa.array(texts))[0] == ids_of(pa.array(texts[::-1]))[0][::-1]


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (pa.array([None, "a"]), "id: empty"),
        (pa.array([float("nan"), 1.0]), "id: float nan"),
        (pa.array([float("inf"), 1.0]), "id: float inf"),
        (pa.array([1.5, 1.0]), "id: float 1.5"),
        (pa.array([2.0**60, 1.0]), "lost digits"),
        (pa.array([2.0**25, 1.0], pa.float32()), "lost digits"),
        (pa.array([True, None]), "id: bool True"),
        (pa.array([{"a": 1}, None]), "id: dict"),
        (pa.array([["a"], None]), "id: list"),
        (pa.array([b"\xff", b"a"]), "id: bytes that are not UTF-8"),
    ],
)
def test_the_rest_is_refused_by_row(cells: Any, problem: str) -> None:
    ids, problems = ids_of(cells)
    assert ids[0] == ""
    assert problem in problems[0]


def test_bytes_and_uuids_are_text() -> None:
    value = uuid.UUID(int=7)
    assert ids_of(pa.array([b"\xc3\xa4", b"b"]))[0] == ["ä", "b"]
    assert ids_of(pa.array([value.bytes], pa.uuid()))[0] == [str(value)]


@given(st.lists(st.sampled_from(["", "a", "1", "1.0", "2", "2.0", "2.00", None]), max_size=8))
def test_ids_that_are_no_problem_are_unique(cells: list[Any]) -> None:
    ids, problems = ids_of(pa.array(cells, pa.string()))
    kept = [id_ for row, id_ in enumerate(ids) if row not in problems]
    assert len(set(kept)) == len(kept)
    assert "" not in kept


def test_numbers_and_flags() -> None:
    assert [number(cell) for cell in ("1", 1, "0.5", 1e-3)] == [1, 1, 0.5, 1e-3]
    cell: Any
    for cell in (True, False, "True", "x", None, [1], {}, 10**400):
        assert number(cell) != number(cell)
    assert [flag(cell) for cell in (True, "True", "TRUE", " true", 1, "1", "1.0")] == [1] * 7
    assert [flag(cell) for cell in (False, "False", "false", 0, "0", "0.0")] == [0] * 6
    assert flag("yes") != flag("yes")
