"""Records of files: what is missing or changed is named, and a file that does not change is read once."""

import os
from pathlib import Path

import pytest

from prefens.core.errors import StoreError
from prefens.store.integrity import MANIFEST, FileRecord, check_manifest, find_mismatch, record_files, write_manifest
from tests.helpers.stores import damage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "model/b"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0123456789")
    return tmp_path / "folder"


@pytest.mark.parametrize("name", ["a", "model/b"])
@pytest.mark.parametrize("how", ["truncated", "flipped", "deleted"])
def test_what_is_damaged_is_named(folder: Path, name: str, how: str) -> None:
    files = record_files(folder)
    assert find_mismatch(folder, files) is None
    damage(folder / name, how)
    (folder / "another").write_text("which the record does not have")
    assert str(find_mismatch(folder, files)).startswith(f"{folder / name}: ")
    assert (find_mismatch(folder, files, contents=False) is None) == (how == "flipped")


@pytest.mark.parametrize("name", ["../outside", "{absolute}", "pipe", "model", ""])
def test_a_record_leads_to_regular_files_of_its_folder_alone(folder: Path, name: str) -> None:
    os.mkfifo(folder / "pipe")  # reading it would never end
    outside = folder.parent / "outside"
    outside.write_bytes(b"")
    record = {name.format(absolute=outside): FileRecord((folder / name).stat().st_size if name == "model" else 0, "")}
    assert find_mismatch(folder, record, contents=False) is not None
    assert find_mismatch(folder, record) is not None


def test_a_manifest_records_what_is_required_of_it(folder: Path) -> None:
    write_manifest(folder)
    check_manifest(folder, "make it again", "a", "model/b")
    with pytest.raises(StoreError, match="no record of c"):
        check_manifest(folder, "make it again", "a", "c")


@pytest.mark.parametrize("name", ["a", MANIFEST])
@pytest.mark.parametrize("how", ["truncated", "flipped", "deleted", "[]", "{}", "null"])
def test_a_folder_is_as_its_manifest_says(folder: Path, name: str, how: str) -> None:
    write_manifest(folder)
    check_manifest(folder, "make it again")
    damage(folder / name, how)
    with pytest.raises(StoreError, match=rf"{folder / name}: (.|\n)*make it again"):
        check_manifest(folder, "make it again")


def test_a_file_is_read_again_only_where_it_has_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, opened = record_files(folder), []
    original = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *mode: (opened.append(path.name), original(path, *mode))[1])
    for moment in (1e9, 2e9, 1e9):  # 2033, a clock that is ahead, is not relied on
        os.utime(folder / "a", (moment, moment))
        os.utime(folder / "model/b", (1e9, 1e9))
        for _ in range(3):
            assert find_mismatch(folder, files) is None
    assert opened == ["a", "b", "a", "a", "a"]
    os.link(folder / "a", folder / "link")
    assert find_mismatch(folder, {"link": files["a"]}) is None
    assert opened == ["a", "b", "a", "a", "a"]
