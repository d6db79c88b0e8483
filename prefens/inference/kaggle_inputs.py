"""Which of the files below /kaggle/input the competition's test file is, where other data sets have one too."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from prefens.core.errors import DataError
from prefens.data.loaded import TEXT

MARKER = "prefens-bundle.json"  # by which the notebook finds the bundle
NAME = "test.csv"
SAMPLE = "sample_submission.csv"  # lies beside a competition's test file
COMPETITIONS = ("llm-classification-finetuning", "lmsys-chatbot-arena")  # folders, as Kaggle names them
KINDS = ("in the competition's folder", f"beside a {SAMPLE}", "pairs")  # the surest first


def list_test_files(folder: Path) -> dict[Path, str]:
    """Return all files named test.csv below a folder, and what each is: one of `KINDS`, or why it is not a test file.

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
    listed = "".join(f"\n    {path}: {kind}" for path, kind in files.items())
    raise DataError(
        f"{len(files)} files named {NAME}:{listed}" if files else f"no file named {NAME}",
        f"one with the columns id, {', '.join(TEXT)}, in a folder named {' or '.join(COMPETITIONS)}",
        "attach the competition's data, or set TEST to the path",
    )


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files named test.csv that are in no bundle; of several paths to one folder or file the first."""
    visited: set[str] = set()
    for path, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        if os.path.realpath(path) in visited or MARKER in files:
            folders.clear()
            continue
        visited.add(os.path.realpath(path))
        file = Path(path, NAME)
        if NAME in files and os.path.realpath(file) not in visited:
            visited.add(os.path.realpath(file))
            yield file


def _kind(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            header = next(csv.reader(stream), [])
    except (OSError, csv.Error) as error:
        return f"not readable ({error})"
    missing = [name for name in ("id", *TEXT) if name not in header]
    if missing:
        return f"no test file: it lacks the columns {', '.join(missing)}"
    if {path.parent.name, path.resolve().parent.name} & {*COMPETITIONS}:
        return KINDS[0]
    return KINDS[1] if (path.parent / SAMPLE).is_file() else KINDS[2]
