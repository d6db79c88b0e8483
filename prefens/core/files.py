"""Files that are either whole or absent: written under a temporary name, synced, then renamed."""

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from prefens.core.errors import ConfigError, StoreError
from prefens.core.leases.heartbeat import file_system_time, heartbeat, is_beating
from prefens.core.leases.locks import try_lock
from prefens.core.leases.processes import machine_id

OLD = "old"  # in a scratch folder: the folder that was replaced; what lies beside it is whole
FRESH_SECONDS = 10.0  # in which a new scratch folder gets its lock
WRITER = "writer.lock"  # in a scratch folder: locked and touched by its writer for as long as that lives
# The name of what is written, and the machine.
SCRATCH = re.compile(r"\.(.*[^.].*)\.([0-9a-f]{8})-[0-9a-f]{8}\.prefens")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` once its bytes are on disk.

    The caller makes a file or a folder there, and it gets the mode that the umask leaves. A crash, or an error in the
    block, leaves `path` as it was. An existing file is replaced in one step; an existing folder is moved away first,
    and after a kill in that moment the new one is put in its place. What a kill leaves behind, the next that is written
    into the same folder deletes, as do `remove_stale_tmp` and `recover`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_tmp(path.parent)
    with _scratch_folder(path) as scratch:
        tmp = scratch / path.name
        yield tmp
        for part in [tmp, *tmp.rglob("*")]:
            _set_mode(part, scratch.stat().st_mode)
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


@contextmanager
def _scratch_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, whose lock says that this process lives, and delete it after the block."""
    lock = None
    while lock is None:  # until no other process takes the new folder for an abandoned one
        scratch = path.with_name(f".{path.name}.{_machine()}-{secrets.token_hex(4)}.prefens")
        scratch.mkdir()
        try:
            lock = try_lock(scratch / WRITER)
            if lock is not None and not (scratch / WRITER).exists():  # locked in the moment in which it was deleted
                lock.release()
                lock = None
        except FileNotFoundError:
            continue
        except BaseException:  # a full disk
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    try:
        with heartbeat(scratch / WRITER):
            yield scratch
    finally:
        _delete(scratch, lock)


def _set_mode(path: Path, folder_mode: int) -> None:
    """Give a new file or folder the mode that the umask leaves, which a new folder shows: some libraries give 0600."""
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode):
        mode = folder_mode
    elif stat.S_ISREG(status.st_mode) and status.st_nlink == 1:  # a hard link has the mode of the original
        mode = (0o666 | status.st_mode & 0o111) & folder_mode
    else:
        return
    with suppress(OSError):  # not on every file system
        path.chmod(stat.S_IMODE(mode))


def recover(path: Path) -> bool:
    """Finish or delete what a dead process left half-written at `path`; return whether there was anything.

    Only for the one process that may write `path`: it knows that the others are dead, whatever machine they ran on.
    """
    scratch_folders = [scratch for scratch in _scratch_folders(path.parent) if _target(scratch) == path]
    for scratch in scratch_folders:
        _finish(scratch, is_dead=True)
    return bool(scratch_folders)


def remove_stale_tmp(folder: Path) -> None:
    """Finish or delete what dead processes left half-written in a folder; what can't be deleted stays.

    A process of this machine lives while it holds its lock, in whatever container. Locks may not reach other machines:
    one of theirs also lives while it touches its lock.
    """
    for scratch in _scratch_folders(folder):
        with suppress(OSError):
            _finish(scratch)


def _scratch_folders(folder: Path) -> list[Path]:
    try:
        paths = [path for path in folder.iterdir() if SCRATCH.fullmatch(path.name)]
        return [path for path in paths if path.is_dir() and not path.is_symlink()]  # a link may lead anywhere
    except OSError:
        return []


def _finish(scratch: Path, is_dead: bool = False) -> None:
    """Finish or delete a scratch folder, unless its writer lives; `is_dead` where it is known not to."""
    if not is_dead and not any(scratch.iterdir()) and _age(scratch) < FRESH_SECONDS:
        return  # its writer is about to lock it
    lock = try_lock(scratch / WRITER)
    if lock is None:
        return
    own = SCRATCH.fullmatch(scratch.name)
    try:
        lock_tells = lock.is_locked and own is not None and own[2] == _machine()
        if not (is_dead or lock_tells) and is_beating(scratch / WRITER):
            return
        path = _target(scratch)
        if (scratch / OLD).exists() and not path.exists():
            source = scratch / path.name if (scratch / path.name).exists() else scratch / OLD
            source.replace(path)
            sync(path.parent)
        _delete(scratch, lock)
    finally:
        lock.release()


def _age(path: Path) -> float:
    return file_system_time(path.parent) - path.stat().st_mtime


def _delete(scratch: Path, lock: FileLock) -> None:
    """Delete a scratch folder whose lock this process holds."""
    shutil.rmtree(scratch, ignore_errors=True)
    lock.release()
    if os.name == "nt":  # which deletes no open files; elsewhere what is still there is another process's
        shutil.rmtree(scratch, ignore_errors=True)


def _target(scratch: Path) -> Path:
    """Return the path that is written in a scratch folder."""
    return scratch.with_name(scratch.name[1:].rsplit(".", 2)[0])


def _machine() -> str:
    return hashlib.sha256(machine_id().encode()).hexdigest()[:8]


def list_folder(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted; nothing where it is missing.

    Raises
    ------
    PermissionError
        Where this user may not read it, which `Path.glob` hides.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


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


def check_folder(folder: str | None, setting: str) -> None:
    """Check that a folder that a setting names, if any, is there or can be made; ConfigError where a file is there."""
    place = Path(folder or ".").absolute()
    there = next((path for path in (place, *place.parents) if path.exists()), place)
    if not there.is_dir():
        raise ConfigError(f"{setting}={folder}: {there} is a file", "a folder", f"give another {setting}")


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
