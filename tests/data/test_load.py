"""Loading: what is right comes through unchanged, what is wrong is named by file, row and id."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefens.core.errors import DataError
from prefens.core.types import Pairs
from prefens.data.load import load_pairs
from tests.helpers.examples import make_pairs, write_csv

HEADER = "id,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie"


def written(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "train.csv"
    path.write_bytes("\n".join([header, *rows]).encode("utf-8", "surrogateescape"))
    return path


def cell(*turns: str | None) -> str:
    return '"' + json.dumps(list(turns)).replace('"', '""') + '"'


def row(id_: str, prompt: str = cell("p"), a: str = cell("a"), b: str = cell("b"), label: str = "1,0,0") -> str:
    return ",".join([id_, prompt, a, b, label])


def test_csv_round_trip(tmp_path: Path, pairs: Pairs) -> None:
    found = load_pairs(write_csv(tmp_path / "train.csv", pairs)).pairs
    for name in ("ids", "prompt", "response_a", "response_b", "label", "model_a", "model_b"):
        assert (getattr(found, name) == getattr(pairs, name)).all()


@pytest.mark.parametrize("as_lists", [False, True])
def test_parquet_equals_csv(tmp_path: Path, pairs: Pairs, as_lists: bool) -> None:
    frame = pd.read_csv(write_csv(tmp_path / "train.csv", pairs))
    if as_lists:
        for name in ("prompt", "response_a", "response_b"):
            frame[name] = frame[name].map(json.loads)
    frame.to_parquet(tmp_path / "train.parquet")
    found, expected = load_pairs(tmp_path / "train.parquet").pairs, load_pairs(tmp_path / "train.csv").pairs
    for name in ("ids", "prompt", "response_a", "response_b", "label"):
        assert (getattr(found, name) == getattr(expected, name)).all()


@given(
    st.lists(
        st.tuples(*[st.lists(st.none() | st.text(), min_size=2, max_size=2)] * 3, st.integers(0, 2)),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=40)
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[list[str | None], ...]]) -> None:
    path = tmp_path_factory.mktemp("any") / "train.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER.split(","))
        for place, (*texts, label) in enumerate(rows):
            writer.writerow([place, *map(json.dumps, texts), *(int(label == column) for column in range(3))])
    found = load_pairs(path).pairs
    for place, (*texts, label) in enumerate(rows):
        turns = [found.prompt[place], found.response_a[place], found.response_b[place]]
        assert turns == [tuple(turn or "" for turn in text) for text in texts]
        assert found.labels[place] == label


def test_null_and_empty_are_data(tmp_path: Path) -> None:
    path = written(tmp_path, row("1", a=cell(None)), row("2", b=cell("")), row("3", a=""), row("4", b="null"))
    loaded = load_pairs(path)
    assert [*loaded.pairs.response_a] == [("",), ("a",), ("",), ("a",)]
    assert [*loaded.pairs.response_b] == [("b",), ("",), ("b",), ("",)]
    assert loaded.repaired == {"null text read as empty": 2}


def test_the_word_null_is_kept(tmp_path: Path) -> None:
    loaded = load_pairs(written(tmp_path, row("1", a=cell("null pointers, [null]"))))
    assert loaded.pairs.response_a[0] == ("null pointers, [null]",)


def test_lone_surrogates_are_replaced_and_counted(tmp_path: Path) -> None:
    loaded = load_pairs(written(tmp_path, row("1", a='"[""x \\ud83d y""]"'), row("2", a='"[""\\ud83d\\ude00""]"')))
    assert [*loaded.pairs.response_a] == [("x � y",), ("😀",)]
    assert loaded.repaired == {"lone surrogates replaced": 1}


def test_ids_are_kept_as_written(tmp_path: Path) -> None:
    assert [*load_pairs(written(tmp_path, row("007"), row("abc"))).pairs.ids] == ["007", "abc"]


BAD: dict[str, tuple[Callable[[], list[str]], str]] = {
    "duplicate id": (lambda: [row("1"), row("2"), row("1")], r"row 3 \(id 1\): id: already in row 1"),
    "empty id": (lambda: [row("1"), row("")], r"row 2 \(id \): id: empty"),
    "label not one-hot": (lambda: [row("1"), row("2", label="1,1,0")], r"row 2 \(id 2\): label .*expected one 1"),
    "label all zero": (lambda: [row("1", label="0,0,0")], r"row 1 \(id 1\): label"),
    "label NaN": (lambda: [row("1", label="1,,0")], r"row 1 \(id 1\): label .*None"),
    "label text": (lambda: [row("1", label="yes,no,no")], r"row 1 \(id 1\): label .*'yes'"),
    "label half": (lambda: [row("1", label="0.5,0.5,0")], r"row 1 \(id 1\): label"),
    "invalid JSON": (lambda: [row("1"), row("2", prompt='"[""p"')], r"row 2 \(id 2\): prompt: invalid JSON"),
    "plain text": (lambda: [row("1", a="hello")], r"row 1 \(id 1\): response_a: invalid JSON .*'hello'"),
    "number for a turn": (lambda: [row("1", a="[1]")], r"row 1 \(id 1\): response_a: '\[1\]', expected a JSON list"),
    "object": (lambda: [row("1", a="{}")], r"row 1 \(id 1\): response_a: '{}', expected a JSON list"),
    "unequal turns": (
        lambda: [row("1", a=cell("x", "y"))],
        r"row 1 \(id 1\): unequal turn counts: prompt 1, response_a 2",
    ),
    "not UTF-8": (lambda: [row("1"), row("2", a='"[""\udcff""]"')], r"row 2 \(id 2\): bytes that are not UTF-8"),
    "too few columns": (lambda: [row("1"), "2," + cell("p"), row("3")], r"row 2 \(id 2\): 2 columns, expected 7"),
    "cut in the middle": (lambda: [row("1"), row("2")[:12]], r"row 2 \(id 2\): 3 columns, expected 7 .*cut off"),
    "cut in a label": (lambda: [row("1"), row("2")[:-2]], r"row 2 \(id 2\): 6 columns, expected 7"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_rows_are_refused_by_name(tmp_path: Path, name: str) -> None:
    make, message = BAD[name]
    path = written(tmp_path, *make())
    with pytest.raises(DataError, match=message) as caught:
        load_pairs(path)
    assert str(path) in str(caught.value)
    assert caught.value.expected
    assert caught.value.do


@pytest.mark.parametrize("name", BAD)
def test_lenient_loading_lists_bad_rows_and_keeps_the_rest(tmp_path: Path, name: str) -> None:
    rows = [row("good"), *BAD[name][0]()]
    loaded = load_pairs(written(tmp_path, *rows), labelled=True, strict=False)
    assert len(loaded.ids) == len(rows)
    assert len(loaded.problems) == 1
    assert len(loaded.pairs) == len(rows) - 1
    assert [*loaded.ids[loaded.rows]] == [*loaded.pairs.ids]


def test_an_error_names_up_to_ten_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_pairs(written(tmp_path, *(row(str(place), label="0,0,0") for place in range(25))))
    assert len(re.findall(r"row \d+ \(id", str(caught.value))) == 10
    assert "15 more rows" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (HEADER.encode(), "no rows"),
        (b"id,prompt,response_a\n1,[],[]", "no column response_b, winner_model_a.*columns: id, prompt, response_a"),
        (HEADER.encode("utf-16"), "no rows"),
        (HEADER.encode("utf-16-le"), "seems to be UTF-16 text without a byte-order mark"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_pairs(path)


def test_missing_file_and_broken_parquet(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_pairs(tmp_path / "none.csv")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 but cut")
    with pytest.raises(DataError, match=r"x\.parquet"):
        load_pairs(tmp_path / "x.parquet")


def test_byte_order_mark_and_crlf(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{row('1')}\r\n\r\n".encode())
    assert [*load_pairs(path).pairs.ids] == ["1"]


def test_test_rows_need_no_label_and_no_models(tmp_path: Path, pairs: Pairs) -> None:
    loaded = load_pairs(write_csv(tmp_path / "test.csv", pairs, labelled=False), labelled=False)
    assert loaded.pairs.label is None
    assert loaded.pairs.model_a is None
    assert (loaded.pairs.ids == pairs.ids).all()


def test_slow_reader_agrees_with_the_fast_one(tmp_path: Path) -> None:
    good = make_pairs(30)
    path = write_csv(tmp_path / "train.csv", good)
    expected = load_pairs(path).pairs
    with path.open("a", encoding="utf-8") as stream:
        stream.write("cut,off\n")
    found = load_pairs(path, strict=False).pairs
    assert (found.prompt == expected.prompt).all()
    assert (found.response_b == expected.response_b).all()
    assert np.array_equal(found.labels, expected.labels)


@pytest.mark.parametrize("parser", ["orjson", "json"])
def test_both_parsers_repair_and_refuse_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parser: str) -> None:
    from prefens.data.raw.json_text import strict_loads
    from prefens.data.readers import one_hot

    if parser == "json":
        monkeypatch.setattr(one_hot, "quick_loads", strict_loads)
    deep = '"' + "[" * 100_000 + "]" * 100_000 + '"'
    rows = [
        row("1", a='"[""x \\ud83d y""]"'),
        row("2", a=deep),
        row("3", a="[NaN]"),
        row("4", a='"[""\\uD83D\\uDE00""]"'),
    ]
    loaded = load_pairs(written(tmp_path, *rows), strict=False)
    assert [*loaded.pairs.response_a] == [("x \ufffd y",), ("\U0001f600",)]
    assert sorted(loaded.problems) == [1, 2]
    assert loaded.repaired == {"lone surrogates replaced": 1}


def test_labels_may_say_true_and_false_in_any_type(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "train.csv", make_pairs(9))
    expected, frame = load_pairs(path).pairs.labels, pd.read_csv(path)
    frame = frame.astype(dict.fromkeys(["winner_model_a", "winner_model_b", "winner_tie"], bool))
    frame.to_parquet(tmp_path / "true.parquet")
    frame.to_csv(tmp_path / "true.csv", index=False)
    assert "True" in (tmp_path / "true.csv").read_text()
    for name in ("true.csv", "true.parquet"):
        np.testing.assert_array_equal(load_pairs(tmp_path / name).pairs.labels, expected)


def test_plain_test_texts_need_no_setting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"id": row, "prompt": '["p"] is?', "response_a": f"[{row}] a", "response_b": "b"} for row in range(3)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    for name in ("a.jsonl", "a.csv"):
        caplog.clear()
        with caplog.at_level("INFO"):
            found = load_pairs(tmp_path / name, labelled=False, strict=False).pairs
        assert f"{name}: format winner (plain texts: no response is a JSON list)" in caplog.text
        assert [*found.ids] == ["0", "1", "2"]
        assert found.prompt[0] == ('["p"] is?',)
        assert found.response_a[2] == ("[2] a",)


def test_a_file_of_which_no_row_can_be_read_is_refused(tmp_path: Path) -> None:
    plain = pd.DataFrame({"id": ["1", "2"], "prompt": "p", "response_a": "a", "response_b": "b"})
    lists = plain.assign(prompt='["p"]', response_a='["a"]', response_b='["b"]')
    for frame, name, words in (
        (plain, "one_hot", "seems to be plain texts, no JSON lists"),
        (lists.assign(prompt=1), None, "seems to be another one"),
    ):
        frame.to_parquet(tmp_path / "bad.parquet")
        with pytest.raises(DataError, match=f"bad.parquet: no row can be read; the format {words}"):
            load_pairs(tmp_path / "bad.parquet", labelled=False, strict=False, name=name)
    pd.concat([plain, lists[:1].assign(id="3")]).to_parquet(tmp_path / "mixed.parquet")
    mixed = load_pairs(tmp_path / "mixed.parquet", labelled=False, strict=False)
    assert len(mixed.pairs) == 1
    assert [*mixed.problems] == [0, 1]


def test_parquet_ids_that_pandas_made_floats(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "train.csv", make_pairs(5))
    frame = pd.read_csv(path)
    frame["id"] = frame["id"].astype(float)
    frame.to_parquet(tmp_path / "TRAIN.PARQUET")
    assert [*load_pairs(tmp_path / "TRAIN.PARQUET").pairs.ids] == [*load_pairs(path).pairs.ids]


def test_parquet_that_is_not_utf8(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(pd.read_csv(write_csv(tmp_path / "train.csv", make_pairs(3))))
    place = table.column_names.index("prompt")
    bad = pa.array([b"[\xff]"] * 3, pa.binary()).view(pa.string())
    pq.write_table(table.set_column(place, "prompt", bad), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=r"bad\.parquet"):
        load_pairs(tmp_path / "bad.parquet")


HOSTILE = [
    ("1], [2", "Extra data|unexpected"),
    ('["a"', "invalid JSON"),
    ('["a"],["b"]', "invalid JSON"),
    ("[1]", "expected a JSON list"),
]


@pytest.mark.parametrize(("cell", "message"), HOSTILE)
def test_a_bad_cell_is_named_among_cells_that_are_parsed_together(tmp_path: Path, cell: str, message: str) -> None:
    pairs = make_pairs(2500)
    write_csv(tmp_path / "x.csv", pairs)
    frame = pd.read_csv(tmp_path / "x.csv")
    for row in (7, 1999, 2499):
        frame.loc[row, "response_b"] = cell
    frame.to_csv(tmp_path / "x.csv", index=False)
    loaded = load_pairs(tmp_path / "x.csv", strict=False)
    assert [*loaded.problems] == [7, 1999, 2499]
    assert all(re.search(message, problem) for problem in loaded.problems.values())
    keep = np.delete(np.arange(2500), [7, 1999, 2499])
    assert loaded.pairs.response_b.tolist() == pairs.response_b[keep].tolist()


@pytest.mark.parametrize("megabytes", [2, 20])
def test_long_rows(tmp_path: Path, megabytes: int) -> None:
    """Longer than a small block, which Arrow reads in a large one, and than both, which is read row by row."""
    pairs = make_pairs(5)
    pairs.response_a[3] = ("x" * (megabytes << 20),)
    write_csv(tmp_path / "x.csv", pairs)
    assert load_pairs(tmp_path / "x.csv").pairs.response_a.tolist() == pairs.response_a.tolist()
