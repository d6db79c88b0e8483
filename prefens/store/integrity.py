"""Checks that a folder holds the files that were written into it, by name and size."""

from collections.abc import Mapping
from pathlib import Path


def file_sizes(folder: Path) -> dict[str, int]:
    """Return the size in bytes of each file below a folder, by its path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def find_mismatch(folder: Path, sizes: Mapping[str, int]) -> str | None:
    """Say which file of a folder is missing or has another size than in `sizes` (bytes); None where all agree."""
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file():
            return f"{path}: missing"
        if path.stat().st_size != size:
            return f"{path}: {path.stat().st_size} bytes of {size}"
    return None
