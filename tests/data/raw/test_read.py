"""A table is the same whatever file it is in and whatever the file is called; what is no table is named."""

import gzip
import json
import os
import shutil
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefens.core.errors import DataError
from prefens.core.types import Pairs
from prefens.data.load import load_pairs
from prefens.data.raw import read_raw, read_table
from tests.helpers.examples import make_pairs, write_csv
from tests.helpers.tables import PACKINGS, TYPES, csv_bytes, lines_bytes, parquet_bytes, zip_bytes

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=8)
COLUMNS = ("ids", "prompt", "response_a", "response_b", "label", "model_a", "model_b")


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def cells(path: Path, *names: str) -> dict[str, list[object]]:
    table = read_raw(path, lambda header: names or header)
    assert not table.broken
    return {name: list(table.pop(name)) for name in [*table.columns]}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Pairs]:
    path = write_csv(tmp_path_factory.mktemp("example") / "train.csv", make_pairs(12))
    return pd.read_csv(path), load_pairs(path).pairs


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("kind", TYPES)
def test_pairs_are_the_same_from_every_type_under_any_name(
    tmp_path: Path, example: tuple[pd.DataFrame, Pairs], kind: str, packing: str
) -> None:
    frame, expected = example
    shuffled = frame[[*np.random.default_rng(0).permutation(frame.columns)]]
    for name in ("train.csv", "train.parquet", "train"):
        pairs = load_pairs(written(tmp_path / name, PACKINGS[packing](TYPES[kind](shuffled)))).pairs
        for column in COLUMNS:
            assert getattr(pairs, column).tolist() == getattr(expected, column).tolist()


@given(st.lists(st.tuples(TEXT, st.none() | TEXT), min_size=1, max_size=6), st.booleans())
@settings(max_examples=60)
def test_any_text_is_the_same_from_every_type(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str | None]], turned: bool
) -> None:
    frame = pd.DataFrame(rows, columns=["id", "a text"], dtype=object)
    expected = {name: [row[place] for row in rows] for place, name in enumerate(frame.columns)}
    path = tmp_path_factory.mktemp("any") / "file"
    for kind, made in TYPES.items():
        content = made(frame[["a text", "id"]] if turned else frame)
        assert cells(written(path, content), "id", "a text") == expected, kind


def test_a_folder_of_shards_is_their_rows_in_order(tmp_path: Path, example: tuple[pd.DataFrame, Pairs]) -> None:
    frame, expected = example
    folder = tmp_path / "year=2024"  # no partition: nothing is added
    folder.mkdir()
    frame.iloc[:5].to_parquet(folder / "train-00000-of-00002.parquet")
    frame.iloc[5:].assign(id=frame.id[5:].astype(float)).to_parquet(folder / "train-00001-of-00002.parquet")
    (folder / "README.md").write_text("about")
    (folder / "_SUCCESS").touch()
    assert load_pairs(folder).pairs.ids.tolist() == expected.ids.tolist()
    frame.iloc[3:6].to_parquet(folder / "train-00002.parquet")
    with pytest.raises(
        DataError, match=r"train-00002\.parquet row 1 \(id .*already in train-00000-of-00002.parquet row 4"
    ):
        load_pairs(folder)
    frame.drop(columns="prompt").to_parquet(folder / "train-00002.parquet")
    with pytest.raises(DataError, match=r"prompt is a column of .*train-00002\.parquet, not of both"):
        load_pairs(folder)


def test_folders_without_shards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder without parquet files \\(empty\\)"):
        load_pairs(tmp_path)
    (tmp_path / "test.csv").touch()
    with pytest.raises(DataError, match=r"a folder without parquet files \(test.csv\)"):
        load_pairs(tmp_path)


@pytest.mark.parametrize("kind", ["csv", "tsv", "utf-16", "json lines"])
@pytest.mark.parametrize("packing", ["plain", "gzip", "zip"])
def test_a_broken_row_is_named_in_every_text_type(
    tmp_path: Path, example: tuple[pd.DataFrame, Pairs], kind: str, packing: str
) -> None:
    content = TYPES[kind](example[0])
    broken = {
        "csv": b"77,cut\n",
        "tsv": b"77\tcut\n",
        "utf-16": "77,cut\n".encode("utf-16-le"),
        "json lines": b'{"id"\n',
    }
    path = written(tmp_path / "train", PACKINGS[packing](content + broken[kind]))
    with pytest.raises(DataError, match=r"train: 1 of 13 rows(.|\n)*row 13 \(id "):
        load_pairs(path)
    loaded = load_pairs(path, strict=False)
    assert [*loaded.problems] == [12]
    assert len(loaded.pairs) == 12


REFUSED = {
    "a web page": b"\n<!DOCTYPE html><html><body>Sign in</body></html>",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "an SQLite database": b"SQLite format 3\0" + bytes(100),
    "a pickle": b"\x80\x04\x95",
    "a PDF": b"%PDF-1.7\n",
    "a tar archive": b"train.csv".ljust(257, b"\0") + b"ustar\x0000" + bytes(300),
    "a picture": b"\x89PNG\r\n",
    "binary data": bytes(range(256)) * 4,
    "damaged parquet": b"PAR1" + bytes(range(200)),
    "damaged feather": b"ARROW1\0\0" + bytes(40),
    "damaged Arrow stream": b"\xff\xff\xff\xff" + bytes(range(40)),
    "damaged gzip": gzip.compress(bytes(1000))[:-9],
    "damaged zip": b"PK\x03\x04" + bytes(30),
    "damaged xz": b"\xfd7zXZ\0" + bytes(30),
    "damaged zstandard": b"\x28\xb5\x2f\xfd" + bytes(30),
    "the header is not UTF-8": "id,prämpt\n1,2\n".encode("latin-1"),
    "no line ends": b"x" * (1 << 20),
    "no line is an object": b"{\n  'id': 1\n}\n",
    "a JSON list that can't be read": b'[{"id": 1},',
    "UTF-16 text that is damaged": b"\xff\xfei\0d\0,",
    r"a zip with 2 files \(folder/train.csv, test.csv\)": zip_bytes(b"id", "test.csv"),
    "an Excel or Word file": zip_bytes(b"", "[Content_Types].xml"),
}


@pytest.mark.parametrize("reason", REFUSED)
@pytest.mark.parametrize("name", ["train.csv", "train.parquet"])
def test_what_is_no_table_is_named_without_its_bytes(tmp_path: Path, reason: str, name: str) -> None:
    path = written(tmp_path / name, REFUSED[reason])
    with pytest.raises(DataError, match=reason) as caught:
        load_pairs(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.replace("\n", "").isprintable()
    assert len(message) < len(str(path)) + 600


def test_mutants_are_read_or_refused_by_name(tmp_path: Path, example: tuple[pd.DataFrame, Pairs]) -> None:
    random = Random(0)
    contents = [pack(made(example[0])) for made in TYPES.values() for pack in PACKINGS.values()]
    pieces = [b'"', b",", b"\n", b"\0", b"\r", b"\t", b"{", b"]", b"\xff\xfe", b"NaN", b"\\ud800", bytes(9)]
    refused: list[str] = []
    for _ in range(400):
        content = bytearray(random.choice(contents))
        for _ in range(random.choice([1, 1, 3])):
            place = random.randrange(min(len(content), random.choice([20, 200, 10**6])))
            content[place : place + random.choice([0, 1, 1, 9, 10**6])] = random.choice([*pieces, content[-40:]])
        path = written(tmp_path / "mutant", bytes(content))
        try:
            loaded = load_pairs(path, strict=False)
        except DataError as error:
            refused.append(str(error))
        else:
            assert len(loaded.rows) + len(loaded.problems) == len(loaded.ids)
    assert 100 < len(refused) < 400
    assert all(message.startswith(str(path)) for message in refused)


def test_a_header_of_many_characters_is_a_message(tmp_path: Path) -> None:
    for header in (b"x" * 140_000, b",".join([b"column"] * 20_000), b'"' + b"y\n" * 70_000):
        with pytest.raises(DataError, match=r"no column id.* \(\d{6} characters\)") as caught:
            load_pairs(written(tmp_path / "train.csv", header + b"\n1\n"))
        assert len(str(caught.value)) < 1500  # the formats and the path are most of it


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "feather"])
def test_doubled_columns_are_refused(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame([["1", "a", "b", "c"]], columns=["id", "text", "text", "other"])
    path = tmp_path / "file"
    if kind in ("csv", "tsv"):
        written(path, TYPES[kind](frame))
    else:
        table = pa.table([[cell] for cell in frame.iloc[0]], names=[*frame.columns])
        pq.write_table(table, path) if kind == "parquet" else pa.feather.write_feather(table, path)
    with pytest.raises(DataError, match="several columns text"):
        read_table(path, ("id", "text"), ())
    assert [*read_table(path, ("id",), ("other",)).columns] == ["id", "other"]


def test_cells_of_mixed_types_become_text(tmp_path: Path) -> None:
    rows = [{"id": 1, "x": [{"role": "user"}]}, {"id": "b", "x": "text", "y": 2}, {"id": 2**63}]
    path = written(tmp_path / "x.jsonl", "\n".join(map(json.dumps, rows)).encode())
    assert cells(path) == {
        "id": ["1", "b", str(2**63)],
        "x": ['[{"role": "user"}]', "text", None],
        "y": [None, 2, None],
    }


def test_lone_surrogates_in_json_lines_are_replaced_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "x.jsonl", b'{"x": ["a \\ud83d", "b"]}\n{"x": ["\\ud83d\\ude00"]}\n')
    table = read_raw(path, lambda header: header)
    assert list(table.pop("x")) == [["a \ufffd", "b"], ["\U0001f600"]]
    assert table.repaired == {"lone surrogates replaced": 1}


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_pairs(tmp_path / "none.csv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        load_pairs(tmp_path / "pipe")


def test_bytes_are_text_where_they_are_utf8(tmp_path: Path) -> None:
    table = pa.table({"id": pa.array([b"\xc3\xa4", b"b"]), "x": pa.array([b"\xff", b"b"])})
    pq.write_table(table, tmp_path / "x.parquet")
    assert cells(tmp_path / "x.parquet") == {"id": ["ä", "b"], "x": [b"\xff", b"b"]}


def test_spark_writes_a_folder_with_a_file_name(tmp_path: Path, example: tuple[pd.DataFrame, Pairs]) -> None:
    part = tmp_path / "train.parquet" / "part-0.parquet"
    part.parent.mkdir()
    part.write_bytes(parquet_bytes(example[0]))
    shutil.copy(part, tmp_path / "train.parquet" / "._part-0.parquet")
    assert len(load_pairs(tmp_path / "train.parquet").pairs) == 12


def test_the_delimiter_is_the_one_that_finds_the_wanted_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "x", b'id,"a;b;c;d;e\tf\tg\th\ti"\n1,2\n')
    assert cells(path, "id") == {"id": ["1"]}
    assert csv_bytes(pd.DataFrame({"id": [1]})) == b"id\n1\n"
    assert lines_bytes(pd.DataFrame({"id": [1]})) == b'{"id": 1}\n'
