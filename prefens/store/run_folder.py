"""The folder of a finished run: predictions.parquet, model/ and the run.json that records them, written in one step."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from prefens.core.errors import StoreError
from prefens.core.files import atomic_write, write_json
from prefens.core.fold_run import FoldPredictions, RunKey
from prefens.store.integrity import find_mismatch, record_files
from prefens.store.predictions_table import write_predictions
from prefens.store.run_record import RunRecord, RunResult, check_key, read_run_record

PREDICTIONS, MODEL = "predictions.parquet", "model/"  # what the paths of its files begin with


def write_run(
    folder: Path,
    predictions: FoldPredictions,
    result: RunResult,
    save_model: Callable[[Path], None] | None,
    started: float | None = None,
) -> None:
    """Write the folder of a finished run, in one step.

    Parameters
    ----------
    folder : Path
        The folder; one that is there is replaced.
    predictions : FoldPredictions
        The probabilities, with the key of the run.
    result : RunResult
        The scores, the cost and the curves.
    save_model : callable or None
        Writes the model into the empty folder that it is called with; None where no model is kept.
    started : float or None
        When the run began, in seconds since the epoch; None for now.

    Raises
    ------
    StoreError
        Where the files can't be written (a full disk, say).
    """
    now = time.time()
    try:
        with atomic_write(folder) as tmp:
            tmp.mkdir(parents=True)
            if save_model is not None:
                (tmp / MODEL).mkdir()
                save_model(tmp / MODEL)
            write_predictions(tmp / PREDICTIONS, predictions)
            started, files = now if started is None else started, record_files(tmp)
            record = RunRecord(**vars(result), key=predictions.key, started=started, ended=now, files=files)
            write_json(tmp / "run.json", record.as_dict())
    except (OSError, SafetensorError) as error:
        raise StoreError(
            f"{folder}: {getattr(error, 'strerror', None) or error}; nothing was stored",
            "room for a fold run, and the right to write it",
            "make room and run the same command again",
        ) from error


def read_run(folder: Path, key: RunKey, remake: str) -> RunRecord:
    """Return what is noted of a finished run.

    Parameters
    ----------
    folder : Path
        Its folder.
    key : RunKey
        The key that it must have.
    remake : str
        The command that makes it again, for errors.

    Raises
    ------
    StoreError
        Where its run.json is missing or damaged, each wrong field is named, or is of another run.
    """
    path = folder / "run.json"
    record = read_run_record(path, remake)
    check_key(path, record.key.as_dict(), key, remake)
    return record


def check_run_files(folder: Path, record: RunRecord, part: str, remake: str) -> None:
    """Check that the files of a run whose paths begin with `part` are as they were written; StoreError if not."""
    files = {name: file for name, file in record.files.items() if name.startswith(part)}
    mismatch = find_mismatch(folder, files)
    if mismatch is not None:
        raise StoreError(mismatch, "the file as it was written", remake)
