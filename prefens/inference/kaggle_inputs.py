"""Which of the files below /kaggle/input is the competition's test file, where other data sets have one too."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from prefens.core.errors import DataError, counted
from prefens.data.loaded import TEXT

MARKER = "prefens-bundle.json"  # by which the notebook finds the bundle
NAMES = ("test.csv", "test.parquet")
SAMPLE = "sample_submission.csv"  # lies beside a competition's test file
COMPETITIONS = (  # folders, as Kaggle names them
    "llm-classification-finetuning", "lmsys-chatbot-arena", "wsdm-cup-multilingual-chatbot-arena",
)  # fmt: skip
KINDS = ("in the competition's folder", f"beside a {SAMPLE}", "pairs")  # the surest first


def list_test_files(folder: Path) -> dict[Path, str]:
    """Return all files of NAMES below a folder, and what each is: one of `KINDS`, or why it is not a test file.

    Symbolic links are followed, each folder is visited once, and bundles are left out.
    """
    return {path: _kind(path) for path in sorted(_walk(folder))}


def choose_test(files: Mapping[Path, str]) -> Path:
    """Return the one file of the surest kind among those of `list_test_files`.

    Raises
    ------
    DataError
        Where no file has the columns of a test file, or where several are as likely.
    """
    for kind in KINDS:
        likely = [path for path, its_kind in files.items() if its_kind == kind]
        if len(likely) == 1:
            return likely[0]
        if likely:
            break
    named = " or ".join(NAMES)
    listed = "".join(f"\n    {path}: {kind}" for path, kind in files.items())
    raise DataError(
        f"{counted(len(files), 'file')} named {named}:{listed}" if files else f"no file named {named}",
        f"one with the columns id, {', '.join(TEXT)}, in a folder named {' or '.join(COMPETITIONS)}",
        "attach the competition's data, or set TEST to the path",
    )


def walk_inputs(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder below `folder` with the names of its files; links are followed, bundles are left out.

    Of several paths to one folder the first counts.
    """
    visited: set[str] = set()
    for path, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        if os.path.realpath(path) in visited or MARKER in files:
            folders.clear()
            continue
        visited.add(os.path.realpath(path))
        yield Path(path), files


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files of NAMES that are in no bundle; of several paths to one file the first."""
    visited: set[str] = set()
    for path, files in walk_inputs(folder):
        for file in (path / name for name in NAMES if name in files):
            if os.path.realpath(file) not in visited:
                visited.add(os.path.realpath(file))
                yield file


def _kind(path: Path) -> str:
    try:
        header = _header(path)
    except (OSError, csv.Error, pa.ArrowException) as error:
        return f"not readable ({error})"
    missing = [name for name in ("id", *TEXT) if name not in header]
    if missing:
        return f"no test file: it lacks the columns {', '.join(missing)}"
    if {path.parent.name, path.resolve().parent.name} & {*COMPETITIONS}:
        return KINDS[0]
    return KINDS[1] if (path.parent / SAMPLE).is_file() else KINDS[2]


def _header(path: Path) -> list[str]:
    """Return the names of the columns of a file."""
    if path.suffix == ".parquet":
        return list(parquet.read_schema(path).names)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        return next(csv.reader(stream), [])
