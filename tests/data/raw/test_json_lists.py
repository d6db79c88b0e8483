"""JSON lists that are parsed together: what each is parsed to alone, or nothing."""

import json
from itertools import product

import pyarrow as pa
import pytest

from prefens.data.raw import json_lists
from prefens.data.raw.json_lists import BATCH_ROWS, batches, parse_lists
from prefens.data.raw.json_text import strict_loads

VALID = [None, "null", "[]", '["a"]', '["a", null]', '["],[","\\n", "\\u00e9 é"]']
HOSTILE = [
    '["a"', '"b"]', '["c"],["d"]', '["e",[]', '["f"]]', '["g"]],[["h"]', '["i","]', '["]', '["\\', "[", ",", "",
    "1], [2", "[1]", '{"a": 1}', ' ["j"]', '"k"', '["l"],', "null,null", '["\\ud83d"]',
]  # fmt: skip


def alone(cell: str | None) -> tuple[str, ...] | None:
    """Parse one cell by itself; ValueError where it is no list of texts."""
    value = strict_loads("null" if cell is None else cell)
    if value is not None and not (isinstance(value, list) and all(text is None or type(text) is str for text in value)):
        raise ValueError(cell)
    return None if value is None else tuple(text or "" for text in value)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_valid_cells_are_parsed_as_each_alone(kind: pa.DataType) -> None:
    for cells in product(VALID, repeat=3):
        assert parse_lists(pa.array(cells, kind)) == [alone(cell) for cell in cells]


@pytest.mark.parametrize("parser", ["orjson", "json"])
def test_no_cell_gets_through_that_is_invalid_alone(monkeypatch: pytest.MonkeyPatch, parser: str) -> None:
    """Three cells can make up for each other: one begins a list, one ends it, and one holds two lists."""
    if parser == "json":
        monkeypatch.setattr(json_lists, "quick_loads", strict_loads)
    for cells in product([*HOSTILE, None, '["a"]'], repeat=3):
        if {*cells} & {*HOSTILE}:
            parsed = parse_lists(pa.array(cells, pa.string()))
            assert parsed is None or parsed == [alone(cell) for cell in cells], cells


def test_cells_of_other_types_are_left_to_the_reader() -> None:
    assert parse_lists(pa.array([["a"], ["b"]])) is None
    assert parse_lists(pa.array([b'["a"]'])) is None


def test_a_piece_is_parsed_in_batches_and_a_batch_of_a_piece_from_its_own_cells() -> None:
    cells = [json.dumps([str(row)]) for row in range(2 * BATCH_ROWS + 1)]
    parsed = [parse_lists(batch) for batch in batches(pa.array(cells))]
    assert [len(each) for each in parsed if each] == [BATCH_ROWS, BATCH_ROWS, 1]
    assert [turns for each in parsed if each for turns in each] == [(str(row),) for row in range(len(cells))]
