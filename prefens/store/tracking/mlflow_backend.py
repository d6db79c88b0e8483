"""Where MLflow keeps runs: an SQLite file and a folder of artifacts under the tracking root, or a server."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.tracking._tracking_service.utils import _get_store

from prefens.core.credentials import without_login
from prefens.core.files import atomic_write
from prefens.store.tracking.factory import database_uri
from prefens.store.tracking.relocate import check_places, check_schema, place_below, relocate
from prefens.store.tracking.ui_view import experiment_tags

logging.getLogger("mlflow").setLevel(logging.WARNING)  # it announces every table that it creates
logging.getLogger("mlflow.store").setLevel(logging.CRITICAL)  # it prints tracebacks of errors that it raises too

ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"  # the code of MLflow's error
LOCK_SECONDS = 10.0  # that a call waits for other processes of this disk


@dataclass(frozen=True)
class MlflowBackend:
    """One experiment of MLflow, in a local database or on a server.

    Attributes
    ----------
    root : Path
        The tracking root, whose locks/ the processes on one disk share.
    uri : str
        The address of the database or the server.
    client : MlflowClient
        The client of that address.
    experiment_id : str
        The experiment.
    local : bool
        Whether it is the database under `root`.
    """

    root: Path
    uri: str
    client: MlflowClient
    experiment_id: str
    local: bool

    def find(self, condition: str, most: int = 1, latest: bool = False) -> Sequence[Any]:
        """Return the runs of the experiment that meet a condition, at most `most`, the earliest or the latest first."""
        direction = "DESC" if latest else "ASC"
        order = [f"attributes.start_time {direction}", f"attributes.run_id {direction}"]  # ids break ties
        runs: Sequence[Any] = self.client.search_runs([self.experiment_id], condition, max_results=most, order_by=order)
        return runs

    def place(self, address: str, *inside: str) -> Path:
        """Return the path of MLflow's files at an address; PermissionError where it is outside of the artifacts."""
        return place_below(self.root / "artifacts", address, *inside)

    def check_artifact(self, run: str, *inside: str) -> None:
        """Check that a file of a run would be written to the artifacts of the local root, or to the server.

        Raises
        ------
        PermissionError
            Where the run's address, or a link, leads elsewhere.
        """
        if self.local:
            self.place(self.client.get_run(run).info.artifact_uri, *inside)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Exclude other processes on the same disk from the block; TimeoutError where one stays in it."""
        with _lock(self.root, name):
            yield


def open_backend(root: Path, experiment: str, uri: str | None) -> MlflowBackend:
    """Return the backend of the server at `uri`, or that under `root` where `uri` is None.

    Raises
    ------
    MlflowException, OSError, sqlite3.Error
        Where the server does not answer, or where the database is locked, damaged or of another version.
    """
    return local_backend(root, experiment) if uri is None else server_backend(root, experiment, uri)


def local_backend(root: Path, experiment: str) -> MlflowBackend:
    """Return the backend in `root`/mlflow.db and `root`/artifacts, created where it is missing.

    The database and the experiment are created under a file lock and a temporary name, since two processes that create
    them at once damage the file. Where the root was moved, its new path is written into the database. The root may be a
    stranger's: nothing is written to a database that would write by itself.
    """
    root.mkdir(parents=True, exist_ok=True)
    artifacts, database = (root / "artifacts").as_uri(), root / "mlflow.db"
    with _lock(root, "tracking"):
        if not database.exists():
            _create(database, experiment, artifacts)
        check_schema(database)
        relocate(database, artifacts, LOCK_SECONDS)
        uri = database_uri(database)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        number = _experiment(client, experiment, artifacts)
        check_places(database, number, root / "artifacts")
        return MlflowBackend(root, uri, client, number, local=True)


def server_backend(root: Path, experiment: str, uri: str) -> MlflowBackend:
    """Return the backend of a server, which keeps the artifacts too; MlflowException where it does not answer."""
    address = without_login(uri)
    client = MlflowClient(tracking_uri=address, registry_uri=address)
    return MlflowBackend(root, address, client, _experiment(client, experiment, None), local=False)


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """Get or create an experiment. Names are unique: of two processes that create it at once, one is refused."""
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        for tag, value in experiment_tags().items():
            if experiment.tags.get(tag) != value:
                client.set_experiment_tag(experiment.experiment_id, tag, value)
        return str(experiment.experiment_id)
    try:
        client.create_experiment(name, artifacts)
    except MlflowException as error:
        if error.error_code != ALREADY_EXISTS:
            raise
    return _experiment(client, name, artifacts)


def _create(database: Path, experiment: str, artifacts: str) -> None:
    with atomic_write(database) as tmp:
        _experiment(MlflowClient(tracking_uri=database_uri(tmp)), experiment, artifacts)
        _get_store(database_uri(tmp)).engine.dispose()  # type: ignore[no-untyped-call]
        with closing(sqlite3.connect(tmp)) as connection, connection:  # MLflow's own "Default" would lie elsewhere
            connection.execute("UPDATE experiments SET artifact_location = ?", (artifacts,))


@contextmanager
def _lock(root: Path, name: str) -> Iterator[None]:
    folder = root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock", timeout=LOCK_SECONDS):
        yield
