"""Files after a kill: whole, recovered, deleted. Linked files: the same where the file system allows, or equal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefens.core.errors import ConfigError
from prefens.core.files import (
    atomic_write,
    check_folder,
    check_writable,
    link_tree,
    recover,
    remove_stale_tmp,
    write_json,
)

KILLED = """
import os, signal, sys
from pathlib import Path
from prefens.core.files import atomic_write
path, moment = Path(sys.argv[1]), int(sys.argv[2])
replace = Path.replace
def counted(*arguments):
    global moment
    moment -= 1
    if moment == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(*arguments)
Path.replace = counted
with atomic_write(path) as tmp:
    tmp.mkdir()
    (tmp / "text").write_text("new")
"""


@pytest.mark.parametrize(("moment", "text"), [(1, "old"), (2, "new"), (3, "new")])
def test_a_kill_while_a_folder_is_replaced_loses_nothing(tmp_path: Path, moment: int, text: str) -> None:
    path = tmp_path / "fold-0"
    with atomic_write(path) as tmp:
        tmp.mkdir()
        (tmp / "text").write_text("old")
    code = subprocess.run([sys.executable, "-c", KILLED, str(path), str(moment)], check=False).returncode
    assert code == (-9 if moment < 3 else 0)
    remove_stale_tmp(tmp_path)
    assert recover(path) == (moment == 2)
    assert (path / "text").read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_scratch_folders_of_the_living_are_kept(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "file.json") as tmp:
        remove_stale_tmp(tmp_path)
        tmp.write_text("text")
    assert (tmp_path / "file.json").read_text() == "text"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    check_writable(tmp_path / "new", "out")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=f"out={tmp_path}/file/below"):
        check_writable(tmp_path / "file" / "below", "out")


def test_a_file_in_a_folder_s_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (None, tmp_path, tmp_path / "new" / "below"):
        check_folder(folder and str(folder), "out")
    assert not (tmp_path / "new").exists()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=f"out={folder}: {tmp_path}/file is a file"):
            check_folder(str(folder), "out")


@pytest.mark.parametrize("links", [True, False])
def test_a_linked_folder_has_what_was_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("not on this file system")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "from" / "sub").mkdir(parents=True)
    for name in ("sub/weights", ".lock"):
        (tmp_path / "from" / name).write_text("text")
    (tmp_path / "from" / "alias").symlink_to("sub/weights")
    link_tree(tmp_path / "from", tmp_path / "to", leave_out=[".*"])
    files = {path.relative_to(tmp_path / "to").as_posix(): path for path in (tmp_path / "to").rglob("*")}
    assert files.keys() == {"sub", "sub/weights", "alias"}
    assert not files["alias"].is_symlink()
    assert files["alias"].read_text() == "text"
    assert files["sub/weights"].samefile(tmp_path / "from/sub/weights") == links


def test_atomic_write_replaces_files_and_folders(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with atomic_write(tmp_path / "folder") as tmp:
            tmp.mkdir()
            (tmp / text).write_text(text)
        write_json(tmp_path / "file.json", {"text": text})
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["two"]
    assert json.loads((tmp_path / "file.json").read_text()) == {"text": "two"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.json", "folder"]
