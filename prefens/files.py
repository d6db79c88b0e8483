"""Files that are either whole or absent: written aside, synced, then renamed."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` once its bytes are on disk.

    The caller may make a file or a folder there. A crash, or an error in the body, leaves
    `path` as it was. An existing file is replaced at once; an existing folder is moved out of the way first, and a
    process that is killed in that moment leaves neither.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    aside = scratch / path.name
    try:
        yield aside
        for part in [aside, *aside.rglob("*")]:
            sync(part)
        old = scratch / "old"
        if path.is_dir():
            path.replace(old)
        try:
            aside.replace(path)
        except BaseException:
            if old.exists():
                old.replace(path)
            raise
        sync(path.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


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
    """Give a folder's files a second place, as hard links where the file system has them, else as copies.

    Only for files that are never changed in place. `leave_out` are patterns of names (`fnmatch`'s).
    """
    shutil.copytree(source, to, ignore=shutil.ignore_patterns(*leave_out), copy_function=link)


def link(source: str, to: str) -> None:
    """Hard-link a file, or copy its bytes where that is not possible (another disk, say)."""
    try:
        os.link(os.path.realpath(source), to)
    except OSError:
        shutil.copyfile(source, to)


def write_json(path: Path, value: Any) -> Path:
    """Write `value` as indented JSON, atomically, and return the path."""
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> Path:
    """Write a text, atomically, and return the path."""
    with written_aside(path) as aside:
        aside.write_text(text, "utf-8")
    return path
