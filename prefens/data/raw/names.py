"""What the name of a file tells: never its type, but whether it is meant as a file, and what to call its content."""

from __future__ import annotations

import os
from pathlib import Path

SHARD_SUFFIXES = (".parquet", ".pq")  # of the files that are read of a folder
PACKED_SUFFIXES = (".gz", ".xz", ".zip", ".bz2", ".zst")
SUFFIXES = (*SHARD_SUFFIXES, ".csv", ".tsv", ".jsonl", ".json", ".ndjson", ".feather", ".arrow", *PACKED_SUFFIXES)


def is_file_name(name: str) -> bool:
    """Whether a name stands for a file: it has a path separator or a known suffix, or there is such a file."""
    return any(mark in name for mark in ("/", os.sep)) or stem(Path(name)) != name or Path(name).is_file()


def stem(path: Path) -> str:
    """Return a file's name without its folder and its known suffixes: m2 of runs/m2.csv.gz."""
    name = path.name
    while (suffix := Path(name).suffix) and suffix.lower() in SUFFIXES:
        name = name.removesuffix(suffix)
    return name
