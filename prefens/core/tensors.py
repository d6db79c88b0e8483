"""Arrays in files of any origin: names, types and shapes are checked before they are used."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from prefens.core.errors import StoreError, counted
from prefens.core.files import atomic_write

log = logging.getLogger(__name__)

DO = "train the member again"

Shape = tuple[int | None, ...]  # None: of any length


def read_arrays(
    path: Path, expected: Mapping[str, tuple[Any, Shape]], infinite: bool = False
) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file, which has these and no others.

    Parameters
    ----------
    path : Path
        The file.
    expected : mapping of str to (dtype, shape)
        The type and the shape of each array; a length of None is any.
    infinite : bool
        Whether numbers may be infinite.

    Raises
    ------
    StoreError
        The file is missing or damaged, or its arrays are others, or hold what is no number.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays: dict[str, NDArray[Any]] = load_file(path)
    except (OSError, SafetensorError, TypeError, AttributeError) as error:  # the last two: types that numpy lacks
        raise refusal(path, str(error)[:200], "the arrays of a stored member, as safetensors") from error
    for name in sorted({*arrays, *expected}):
        if name not in arrays or name not in expected:
            came, wanted = ("is missing", "this array") if name in expected else ("is there", "no such array")
            raise refusal(path, f"{name[:60]} {came}", wanted)
        array, (dtype, shape) = arrays[name], expected[name]
        lengths = zip(shape, array.shape, strict=False)
        if array.dtype != dtype or len(shape) != array.ndim or any(want not in (None, came) for want, came in lengths):
            wanted = f"{np.dtype(dtype)} of the shape {shape} (None: any length)"
            raise refusal(path, f"{name} is {array.dtype} of the shape {array.shape}", wanted)
        bad = np.isnan(array) if infinite else ~np.isfinite(array)
        if bad.any():
            raise refusal(path, f"{name} has no number in {counted(int(bad.sum()), 'place')}", "finite numbers")
    return arrays


def refusal(path: Path, came: str, expected: str) -> StoreError:
    """Return the error for a file of a stored member."""
    return StoreError(f"{path}: {came}", expected, DO)


def read_npy(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return the array in a .npy file, as a memory map that can't be written.

    Raises
    ------
    OSError
        Where the file can't be read.
    ValueError
        Where it is cut, no .npy file, or of another shape or type.
    """
    try:
        values: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError):
        raise
    except Exception as error:  # numpy parses the header as Python's literals, which fail in many ways
        raise ValueError(f"no .npy file: {error}") from error
    if values.shape != shape or values.dtype != dtype:
        raise ValueError(f"shape {values.shape} of {values.dtype}, not {shape} of {np.dtype(dtype)}")
    return values


def save_npy(path: Path, values: NDArray[Any]) -> None:
    """Write an array as a .npy file with a seal, for `cached_npy`; atomically."""
    with atomic_write(path) as tmp:
        with tmp.open("wb") as stream:
            np.save(stream, values)
        seal(tmp)


def seal(path: Path) -> None:
    """Append the sha256 of its content to a .npy file, whose readers ignore what follows the array."""
    with path.open("r+b") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").digest()
        stream.seek(0, os.SEEK_END)
        stream.write(sha256)


def _is_sealed(path: Path) -> bool:
    """Return whether a file ends with the sha256 of what stands before."""
    sha256, left = hashlib.sha256(), path.stat().st_size - hashlib.sha256().digest_size
    with path.open("rb") as stream:
        while left > 0 and (block := stream.read(min(left, 1 << 20))):
            sha256.update(block)
            left -= len(block)
        return stream.read() == sha256.digest()


def cached_npy(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any] | None:
    """Return the array in a sealed .npy file; None where there is none, or a damaged one, of which a warning is logged.

    A file without a seal counts as damaged.
    """
    if not path.exists():
        return None
    try:
        values = read_npy(path, shape, dtype)
        if not _is_sealed(path):
            raise ValueError("its content is not what was written")
        return values
    except (OSError, ValueError) as error:
        log.warning("%s is damaged (%s); making it again", path, error)
        return None
