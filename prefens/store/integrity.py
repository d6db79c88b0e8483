"""Files whose sizes and sha256 are recorded when they are written, and compared with the record when they are read."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from prefens.core.errors import StoreError
from prefens.core.files import write_json
from prefens.core.hashing import file_digest
from prefens.core.typed_json import read_typed

MANIFEST = "manifest.json"  # of a folder that has no other record of its files


@dataclass(frozen=True)
class FileRecord:
    """What is recorded of a file.

    Attributes
    ----------
    size : int
        In bytes.
    sha256 : str
        Of its content, 64 hex digits.
    """

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The content of a manifest.json.

    Attributes
    ----------
    files : mapping of str to FileRecord
        Of each file below its folder, by the path in the folder.
    """

    files: Mapping[str, FileRecord]


def record_files(folder: Path) -> dict[str, FileRecord]:
    """Return the record of each file below a folder, by its path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): FileRecord(path.stat().st_size, file_digest(path)) for path in files}


def find_mismatch(folder: Path, files: Mapping[str, FileRecord], contents: bool = True) -> str | None:
    """Say which file of a folder is not as it was recorded; None where all are.

    Parameters
    ----------
    folder : Path
        The folder.
    files : mapping of str to FileRecord
        The record, by the path in the folder; other files of the folder don't count.
    contents : bool
        Whether to compare digests too, which reads every file; else sizes alone.

    Raises
    ------
    PermissionError
        Where this user may not read a file.
    """
    for name, recorded in files.items():
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:  # the record may be a stranger's
            return f"{path}: a path that leads out of {folder}"
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
                return f"{path}: no regular file"
            if status.st_size != recorded.size:
                return f"{path}: {status.st_size} bytes of {recorded.size}"
            if contents and file_digest(path) != recorded.sha256:
                return f"{path}: its content is not what was written"
        except FileNotFoundError:
            return f"{path}: missing"
        except PermissionError:  # what this user may not read is not damaged
            raise
        except OSError as error:
            return f"{path}: {error.strerror or error}"
    return None


def write_manifest(folder: Path) -> None:
    """Record all files of a folder in its manifest.json."""
    write_json(folder / MANIFEST, asdict(Manifest(record_files(folder))))


def check_manifest(folder: Path, do: str, *required: str) -> None:
    """Refuse a folder whose files are not as its manifest.json records them.

    Parameters
    ----------
    folder : Path
        What `write_manifest` was called for.
    do : str
        The command that makes the folder again, for the error.
    required : str
        Files that the manifest must record.

    Raises
    ------
    StoreError
        Where the manifest can't be read or lacks a file, or where a file is missing or damaged; it is named.
    """
    manifest = read_typed(folder / MANIFEST, Manifest, "the record of the files beside it", do)
    unrecorded = next((name for name in required if name not in manifest.files), None)
    if unrecorded is not None:
        raise StoreError(f"{folder / MANIFEST}: no record of {unrecorded}", "the record of the files beside it", do)
    mismatch = find_mismatch(folder, manifest.files)
    if mismatch is not None:
        raise StoreError(mismatch, "the file as it was written", do)
