"""Files that are either whole or absent: written under a temporary name, synced, then renamed."""

import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from prefens.core.errors import ConfigError, StoreError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` once its bytes are on disk.

    The caller makes a file or a folder there. A crash, or an error in the block, leaves `path` as it was. An existing
    file is replaced in one step; an existing folder is moved away first, and after a kill in that moment `recover`
    puts the new one in its place. What a kill leaves behind, `remove_stale_tmp` and `recover` delete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.{_host()}-{os.getpid()}.", dir=path.parent))
    tmp = scratch / path.name
    try:
        yield tmp
        for part in [tmp, *tmp.rglob("*")]:
            sync(part)
        old = scratch / OLD
        if path.is_dir():
            path.replace(old)
        try:
            tmp.replace(path)
        except BaseException:
            if old.exists():
                old.replace(path)
            raise
        sync(path.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


OLD = "old"  # in a scratch folder: the folder that was replaced; what lies beside it is whole


def recover(path: Path) -> bool:
    """Finish or delete what a killed process left half-written at `path`; return whether there was anything.

    Only for the one process that may write `path`: the scratch folders of living processes are deleted too.
    """
    scratch_folders = list(path.parent.glob(f".{path.name}.*-*.*"))
    for scratch in scratch_folders:
        if (scratch / OLD).exists() and not path.exists():
            source = scratch / path.name if (scratch / path.name).exists() else scratch / OLD
            source.replace(path)
            sync(path.parent)
        shutil.rmtree(scratch, ignore_errors=True)
    return bool(scratch_folders)


def remove_stale_tmp(folder: Path) -> None:
    """Delete what dead processes of this host left half-written in a folder, except what `recover` needs."""
    for scratch in folder.glob(f".*.{_host()}-*.*"):
        process = scratch.name.rsplit(".", 1)[0].rpartition("-")[2]
        if process.isdigit() and not psutil.pid_exists(int(process)) and not (scratch / OLD).exists():
            shutil.rmtree(scratch, ignore_errors=True)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", socket.gethostname())[:40]


def check_writable(folder: Path, setting: str) -> None:
    """Make a folder where it is missing, and check that files can be written there.

    Parameters
    ----------
    folder : Path
        The folder.
    setting : str
        The setting that names it, for the error.

    Raises
    ------
    ConfigError
        Where files can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"x")
    except OSError as error:
        raise ConfigError(
            f"{setting}={folder}: {error.strerror or error}", "a folder that can be written", f"give another {setting}"
        ) from error


def sync(path: Path) -> None:
    """Flush a file's or a folder's bytes to the disk (folders only where the system can)."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_tree(source: Path, to: Path, leave_out: Sequence[str] = ()) -> None:
    """Copy a folder, by hard links where the file system has them. Only for files that are never changed in place.

    Parameters
    ----------
    source, to : Path
        The folder, and the one to make.
    leave_out : sequence of str
        Patterns of names that are not copied, as in `fnmatch`.

    Raises
    ------
    StoreError
        Where a symbolic link in the folder leads out of it: what it points to is no part of the folder.
    """
    patterns = shutil.ignore_patterns(*leave_out)

    def ignored(folder: str, names: list[str]) -> set[str]:
        left_out = set(patterns(folder, names))
        for name in set(names) - left_out:
            if not (path := Path(folder) / name).resolve().is_relative_to(source.resolve()):
                came = f"{path} is a symbolic link to {path.resolve()}"
                raise StoreError(came, f"links to what lies in {source}", "put what it points to there")
        return left_out

    shutil.copytree(source, to, ignore=ignored, copy_function=link)


def link(source: str, to: str) -> None:
    """Hard-link a file, or copy its bytes where that is not possible (another disk, say)."""
    try:
        os.link(os.path.realpath(source), to)
    except OSError:
        shutil.copyfile(source, to)


def write_json(path: Path, value: Any) -> Path:
    """Write a value as indented JSON, atomically, and return the path; ValueError for NaN and infinities."""
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> Path:
    """Write a text, atomically, and return the path."""
    with atomic_write(path) as tmp:
        tmp.write_text(text, "utf-8")
    return path
