"""Files after a kill: whole, recovered, deleted. Linked files: the same where the file system allows, or equal."""

import errno
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from prefens.core import files
from prefens.core.errors import ConfigError, StoreError
from prefens.core.files import atomic_write, check_writable, link_tree, recover, remove_stale_tmp, write_json
from prefens.core.leases.heartbeat import STALE_SECONDS
from tests.helpers.containers import container

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


@pytest.mark.parametrize("by_owner", [True, False])
@pytest.mark.parametrize(("moment", "text"), [(1, "old"), (2, "new"), (3, "new")])
def test_a_kill_while_a_folder_is_replaced_loses_nothing(
    tmp_path: Path, moment: int, text: str, by_owner: bool
) -> None:
    path = tmp_path / "fold-0"
    with atomic_write(path) as tmp:
        tmp.mkdir()
        (tmp / "text").write_text("old")
    code = subprocess.run([sys.executable, "-c", KILLED, str(path), str(moment)], check=False).returncode
    assert code == (-9 if moment < 3 else 0)
    if by_owner:
        assert recover(path) == (moment < 3)
    else:
        remove_stale_tmp(tmp_path)
    assert (path / "text").read_text() == text
    assert list(tmp_path.iterdir()) == [path]


WRITER = """
import sys, time
from pathlib import Path
from prefens.core.files import atomic_write
with atomic_write(Path(sys.argv[1])) as tmp:
    tmp.write_text("text")
    print("writing", flush=True)
    time.sleep(float(sys.argv[2]))
"""
CLEANER = """
import sys
from pathlib import Path
from prefens.core.files import recover, remove_stale_tmp, write_json
path = Path(sys.argv[1])
remove_stale_tmp(path.parent)
recover(path)
write_json(path.with_name("other.json"), {})
"""


@pytest.mark.parametrize("inside", ["writer", "cleaner"])
def test_what_a_living_process_writes_is_kept_by_all_containers(tmp_path: Path, inside: str) -> None:
    """Neither sees the other's process id; both have the same host name."""
    path = tmp_path / "file"
    line = [sys.executable, "-c", WRITER, str(path), "60"]
    writer = (
        container(WRITER, path, 60) if inside == "writer" else subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    )
    assert writer.stdout is not None
    writer.stdout.readline()

    def clean() -> None:
        if inside == "cleaner":
            assert container(CLEANER, path).wait() == 0
        else:
            subprocess.run([sys.executable, "-c", CLEANER, str(path)], check=True)

    clean()
    (scratch,) = scratch_folders(tmp_path)
    assert (scratch / "file").read_text() == "text"
    writer.kill()
    writer.wait()
    clean()
    assert [each.name for each in tmp_path.iterdir()] == ["other.json"]


def scratch_folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(("age", "kept"), [(0.0, True), (STALE_SECONDS + 5, False)])
def test_the_age_of_a_lock_tells_what_another_machine_writes(
    tmp_path: Path, age: float, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its locks may not be seen here, and its clock may be ten minutes off."""
    (tmp_path / "killed").write_text("")
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "file"), "60"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    (scratch,) = scratch_folders(tmp_path)
    foreign = scratch.rename(re.sub(r"[0-9a-f]{8}-", "0" * 8 + "-", str(scratch)))
    os.utime(foreign / "writer.lock", (time.time() - age,) * 2)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    remove_stale_tmp(tmp_path)
    assert bool(scratch_folders(tmp_path)) == kept
    assert not recover(tmp_path / "other")
    assert recover(tmp_path / "file") == kept  # who may write it knows that the other one is dead
    assert scratch_folders(tmp_path) == []


def test_scratch_folders_of_the_living_are_kept(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "file.json") as tmp:
        remove_stale_tmp(tmp_path)
        recover(tmp_path / "file.json")
        tmp.write_text("text")
    assert (tmp_path / "file.json").read_text() == "text"


def test_a_new_scratch_folder_that_is_taken_for_an_abandoned_one_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the making of the folder and the locking of its file another process may clean up, if it takes long."""
    monkeypatch.setattr(files, "FRESH_SECONDS", 0.0)
    made: list[Path] = []
    mkdir = Path.mkdir

    def interrupted(path: Path, *arguments: object, **named: object) -> None:
        mkdir(path, *arguments, **named)  # type: ignore[arg-type]
        if path.name.startswith(".") and len(made) < 3:
            made.append(path)
            remove_stale_tmp(tmp_path)

    monkeypatch.setattr(Path, "mkdir", interrupted)
    write_json(tmp_path / "file.json", {})
    assert len(made) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def write_often(path: Path) -> None:
    for number in range(150):
        write_json(path, {"number": number})


def test_processes_that_write_into_one_folder_at_once_delete_nothing_of_each_other(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(6) as pool:
        pool.map(write_often, [tmp_path / f"{number % 3}.json" for number in range(6)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.json", "1.json", "2.json"]


def test_a_full_disk_leaves_no_scratch_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def full(path: Any, flags: int, *mode: Any, **named: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "no space left on device")
        return real(path, flags, *mode, **named)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="no space"):
        write_json(tmp_path / "file.json", {})
    monkeypatch.undo()
    assert [*tmp_path.iterdir()] == []


def test_a_link_in_the_place_of_a_scratch_folder_is_not_followed(tmp_path: Path) -> None:
    victim, store = tmp_path / "victim", tmp_path / "store"
    (victim / "old").mkdir(parents=True)
    store.mkdir()
    (store / ".blend.aaaaaaaa-bbbbbbbb.prefens").symlink_to(victim)
    (store / "...aaaaaaaa-bbbbbbbb.prefens").mkdir()  # of no name
    remove_stale_tmp(store)
    recover(store / "blend")
    assert [path.name for path in victim.iterdir()] == ["old"]
    assert not (store / "blend").exists()


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in (".git", ".file.json", ".a.host-12.x", ".cache.my-tool.prefens"):
        (tmp_path / name).mkdir()
    write_json(tmp_path / "file.json", {})
    assert len([*tmp_path.iterdir()]) == 5


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077, 0o027])
def test_what_is_written_has_the_mode_that_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    (tmp_path / "original").write_text("")
    (tmp_path / "original").chmod(0o640)
    before = os.umask(umask)
    try:
        write_json(tmp_path / "made" / "file.json", {})
        with atomic_write(tmp_path / "made" / "folder") as tmp:
            Path(tempfile.mkdtemp(dir=tmp_path)).rename(tmp)  # 0700
            save_file({"x": np.zeros(3)}, tmp / "model.safetensors")  # 0600
            os.link(tmp_path / "original", tmp / "link")
    finally:
        os.umask(before)
    link = tmp_path / "made" / "folder" / "link"
    assert link.stat().st_mode & 0o777 == 0o640
    for path in {*(tmp_path / "made").rglob("*")} - {link}:
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~umask, path


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    check_writable(tmp_path / "new", "out")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=f"out={tmp_path}/file/below"):
        check_writable(tmp_path / "file" / "below", "out")


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
    (tmp_path / "from" / "out").symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match="out is a symbolic link"):
        link_tree(tmp_path / "from", tmp_path / "again")


def test_atomic_write_replaces_files_and_folders(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with atomic_write(tmp_path / "folder") as tmp:
            tmp.mkdir()
            (tmp / text).write_text(text)
        write_json(tmp_path / "file.json", {"text": text})
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["two"]
    assert json.loads((tmp_path / "file.json").read_text()) == {"text": "two"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.json", "folder"]
