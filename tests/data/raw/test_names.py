"""What the name of a file tells."""

from pathlib import Path

import pytest

from prefens.data.raw.names import is_file_name, stem


def test_names_of_files_and_of_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain").touch()
    Path("roberta").mkdir()
    files = ["m1.csv", "m2.csv.gz", "M.PARQUET", "a/b", "./m1", "m.jsonl.zip", "plain"]
    members = ["tfidf-07b11f5a-s0", "roberta", "v1.5", "m1"]
    assert [name for name in [*files, *members] if is_file_name(name)] == files


def test_the_stem_loses_known_suffixes_alone() -> None:
    names = {"runs/m2.csv.gz": "m2", "m1.csv": "m1", "v1.5.parquet": "v1.5", "oof": "oof", "a.b.JSONL.xz": "a.b"}
    assert {name: stem(Path(name)) for name in names} == names
