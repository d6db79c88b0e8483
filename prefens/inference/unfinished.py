"""What a prediction has done when it is stopped, kept in a folder, so that the same command goes on from there."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

import numpy as np

from prefens.core import shutdown
from prefens.core.errors import StoreError
from prefens.core.files import atomic_write
from prefens.core.types import Floats
from prefens.store.integrity import check_manifest, write_manifest

log = logging.getLogger(__name__)

FILE_NAME = "probabilities.safetensors"
SAVE_SECONDS = 60.0  # between two times that the folder is written: what a killed process loses at most


class Unfinished:
    """Probabilities or rewards by key: in memory, and now and then in a folder, with a manifest to check them by.

    Parameters
    ----------
    folder : Path or None
        Where an earlier prediction left its own; a damaged one is predicted again, with a warning. None for memory
        alone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._values = {} if folder is None else _read(folder)
        self._stored, self._saved_at = len(self._values), time.monotonic()
        if self._values:
            log.info("going on from what %s has", folder)

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._values)

    def has(self, key: str, shape: tuple[int, ...]) -> bool:
        """Return whether there are values of this shape for a key: (n, K) probabilities, or (n,) rewards."""
        return key in self._values and self._values[key].shape == shape

    def put(self, key: str, values: Floats) -> None:
        """Keep the values of a key; the folder is written where it is a minute old."""
        self._values[key] = values
        if self._folder is not None:
            shutdown.note_kept()
        if time.monotonic() - self._saved_at > SAVE_SECONDS:
            self.save()

    def take(self, key: str) -> Floats:
        """Return the values of a key; without a folder they are forgotten."""
        return self._values.pop(key) if self._folder is None else self._values[key]

    def save(self) -> None:
        """Write what is new to the folder; a full disk costs a warning."""
        from safetensors.numpy import save_file

        self._saved_at = time.monotonic()
        if self._folder is None or len(self._values) == self._stored:
            return
        try:
            with atomic_write(self._folder) as tmp:
                tmp.mkdir()
                save_file(self._values, tmp / FILE_NAME)
                write_manifest(tmp)
            self._stored = len(self._values)
        except OSError as error:
            log.warning("what was predicted is not kept on disk (%s); the next command predicts it again", error)

    def remove(self) -> None:
        """Delete the folder: the results are written."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _read(folder: Path) -> dict[str, Floats]:
    """Return the values in a folder, none where there is none or a damaged one."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not folder.exists():
        return {}
    try:
        check_manifest(folder, "", FILE_NAME)
        values: dict[str, Floats] = load_file(folder / FILE_NAME)
    except (StoreError, SafetensorError, OSError, TypeError, AttributeError) as error:
        came = error.came if isinstance(error, StoreError) else str(error)
        log.warning("%s is damaged (%s); predicting again", folder, came)
        return {}
    return {key: array for key, array in values.items() if _is_valid(array)}


def _is_valid(array: Floats) -> bool:
    """Whether values are finite, and sum to 1 in each row where they are probabilities."""
    if array.dtype != np.float64 or array.ndim not in (1, 2) or not np.isfinite(array).all():
        return False
    return array.ndim == 1 or bool((array >= 0.0).all() and np.allclose(array.sum(axis=1), 1.0, atol=1e-6))
