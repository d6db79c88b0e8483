"""What the store notes of a finished fold run: its result, and the key, times and files of what lies beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from prefens.core.errors import StoreError
from prefens.core.fold_run import RunKey
from prefens.core.hashing import digest
from prefens.core.typed_json import read_typed
from prefens.store.integrity import FileRecord

EXPECTED = "the run.json of a finished fold run"


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a fold run amounts to.

    Attributes
    ----------
    log_loss : float or None
        On the rows of the fold, in nats; of a full fit on the hold-out, None where there is none.
    accuracy : float or None
        On the same rows, in [0, 1].
    seconds : float
        Spent on fitting and predicting, interrupted attempts included; 0 for an external member.
    valid_rows : int
        Rows of the fold; 0 of a full fit.
    train_rows : int
        Rows that the model was fitted on; 0 for an external member.
    device : str
        Where it was fitted, such as "cpu" or "cuda".
    threads : int
        Threads of the process that fitted it.
    metadata : mapping of str to bool, int, float or str
        What else the member reports, such as the chosen regularization.
    curves : mapping of str to sequence of float
        A value per step, such as the training loss in nats.
    """

    log_loss: float | None
    accuracy: float | None
    seconds: float
    valid_rows: int
    train_rows: int = 0
    device: str = "cpu"
    threads: int = 1
    metadata: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunRecord(RunResult):
    """The content of run.json: the result of a stored fold run, with what identifies it.

    Attributes
    ----------
    key : RunKey
        Its identity.
    started : float
        When the attempt that succeeded began, in seconds since the epoch.
    ended : float
        When it was stored, in seconds since the epoch.
    files : mapping of str to FileRecord
        Size and sha256 of the files beside run.json, by their path in the folder.
    """

    key: RunKey
    started: float
    ended: float
    files: Mapping[str, FileRecord]

    @property
    def digest(self) -> str:
        """The digest of the whole record, 64 hex digits."""
        return digest(self.as_dict())

    @property
    def content(self) -> str:
        """The digest of key and files, 64 hex digits; a fold that is trained again to the same bits has the same."""
        return digest([self.key.as_dict(), self.as_dict()["files"]])

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON values, as run.json holds it."""
        files = {name: asdict(file) for name, file in self.files.items()}
        return {**vars(self), "key": self.key.as_dict(), "files": files}


def read_run_record(path: Path, do: str) -> RunRecord:
    """Return the content of a run.json; `do` is the command that makes it again, for the error.

    Raises
    ------
    StoreError
        Where it can't be read; a field that is missing or of another type is named.
    """
    return read_typed(path, RunRecord, EXPECTED, do)


def check_key(path: Path, came: Mapping[str, Any], key: RunKey, do: str) -> None:
    """Refuse a file of another fold run.

    Parameters
    ----------
    path : Path
        The file, for the error.
    came : mapping
        The key that it has, as JSON values.
    key : RunKey
        The key that it must have.
    do : str
        The command that makes the file again, for the error.

    Raises
    ------
    StoreError
        Where they differ; the error shows what differs.
    """
    expected = key.as_dict()
    names = [name for name in {**expected, **came} if came.get(name) != expected.get(name)]
    if names:
        theirs, own = ({name: values.get(name) for name in names} for values in (came, expected))
        raise StoreError(f"{path}: belongs to another run ({theirs})", f"the key of its folder ({own})", do)
