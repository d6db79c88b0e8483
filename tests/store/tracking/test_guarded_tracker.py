"""Trouble in the local MLflow costs a command one warning and a few seconds, never its results."""

import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient

from prefens.runner.sync import open_tracker
from prefens.store.tracking import mlflow_backend
from prefens.store.tracking.factory import Tracking, database_uri
from prefens.store.tracking.mlflow_tracker import MlflowTracker

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5ea\nsize 638976\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mlflow")
    MlflowTracker(root, "prefens")
    return root


def execute(statement: str) -> Callable[[Path], None]:
    def run(root: Path) -> None:
        with closing(sqlite3.connect(root / "mlflow.db")) as connection, connection:
            connection.execute(statement)

    return run


def write(content: bytes) -> Callable[[Path], None]:
    return lambda root: (root / "mlflow.db").write_bytes(content) and None


def into_trash(root: Path) -> None:
    client = MlflowClient(database_uri(root / "mlflow.db"))
    client.delete_experiment(client.get_experiment_by_name("prefens").experiment_id)


def cut(root: Path) -> None:
    (root / "mlflow.db").write_bytes((root / "mlflow.db").read_bytes()[:100_000])


def folder_for_file(root: Path) -> None:
    (root / "mlflow.db").unlink()
    (root / "mlflow.db").mkdir()


def file_for_folder(root: Path) -> None:
    shutil.rmtree(root / "locks")
    (root / "locks").write_text("")


def attempt(root: Path, experiment: str = "prefens") -> str | None:
    """Log a run as a command does, with what it does at its end; return the id of the run."""
    with open_tracker(Tracking(str(root), experiment, mlflow=True)) as tracker:
        return tracker.attempt(lambda mlflow: mlflow.client.create_run(mlflow.experiment_id).info.run_id)


def check_warning(caplog: pytest.LogCaptureFixture, root: Path) -> None:
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert str(root / "mlflow.db") in warning
    assert "tracking=none" in warning
    assert f"python -m prefens.sync tracking=local tracking.root={root}" in warning


@pytest.mark.parametrize(
    "spoil",
    [
        into_trash, cut, folder_for_file, file_for_folder, write(b""), write(POINTER), write(os.urandom(50_000)),
        execute("UPDATE alembic_version SET version_num = '451aebb31d03'"),  # of an older MLflow
        execute("UPDATE alembic_version SET version_num = 'fffffffffff1'"),  # of a newer one
        execute("DELETE FROM alembic_version"),
        execute("DROP TABLE runs"),
    ],
    ids=[
        *("trash", "cut", "a folder", "locks is a file", "empty", "a pointer file", "random bytes"),
        *("older", "newer", "without a version", "without runs"),
    ],
)  # fmt: skip
def test_a_database_that_fails_is_named_once_with_the_ways_out(
    whole: Path, tmp_path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "runs"
    shutil.copytree(whole, root)
    spoil(root)
    assert attempt(root) is None
    check_warning(caplog, root)


@contextmanager
def locked_database(root: Path) -> Iterator[None]:
    with closing(sqlite3.connect(root / "mlflow.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def locked_start(root: Path) -> Iterator[None]:
    with FileLock(root / "locks" / "tracking.lock"):
        yield


@pytest.mark.parametrize("locked", [locked_database, locked_start])
def test_a_lock_that_another_process_keeps_is_not_waited_for(
    whole: Path, tmp_path: Path, locked: Callable[[Path], Iterator[None]], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(mlflow_backend, "LOCK_SECONDS", 0.2)
    root = tmp_path / "runs"
    shutil.copytree(whole, root)
    started = time.monotonic()
    with locked(root):
        assert attempt(root) is None
    assert time.monotonic() - started < 5
    check_warning(caplog, root)


@pytest.mark.parametrize("experiment", ["Default", "it's a/b: c%20d?", "x" * 300])
def test_any_name_of_an_experiment_is_tracked(tmp_path: Path, experiment: str) -> None:
    """Its files lie under the root, in a database that it creates and in one that it finds."""
    for root in (tmp_path / "new", tmp_path / "new"):
        run = attempt(root, experiment)
        assert run is not None
    tracker = MlflowTracker(root, experiment)
    assert tracker.client.get_run(run).info.artifact_uri.startswith((root / "artifacts").as_uri())


@pytest.mark.parametrize("name", ["100%20 a b", "what?x=1#y", "it's é@:%"])
def test_any_path_of_a_root_is_one_place(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    root = tmp_path / name / "runs"
    (tmp_path / "file.txt").write_text("content")
    tracker = MlflowTracker(root, "prefens")
    run = tracker.client.create_run(tracker.experiment_id).info.run_id
    tracker.client.log_artifact(run, str(tmp_path / "file.txt"))
    assert Path(MlflowTracker(root, "prefens").client.download_artifacts(run, "file.txt")).read_text() == "content"
    assert len(list((root / "artifacts").rglob("file.txt"))) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["elsewhere", "file.txt", name])
    assert list(folder.iterdir()) == []
