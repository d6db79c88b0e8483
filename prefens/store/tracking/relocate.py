"""Absolute paths in MLflow's database: new ones after its folder was moved, and none that lead out of it."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

import mlflow
from mlflow.utils.file_utils import local_file_uri_to_path

INERT = re.compile(r"CREATE\s+(TABLE|(UNIQUE\s+)?INDEX)\s", re.IGNORECASE)
PATH_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def relocate(database: Path, artifacts: str, seconds: float) -> None:
    """Replace the old address of the artifacts by the new one, a file: address, everywhere in an SQLite database.

    Where another process writes it for more than `seconds`, sqlite3.OperationalError is raised.
    """
    with closing(sqlite3.connect(database, timeout=seconds)) as connection, connection:
        rows = connection.execute(
            "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE 'file:%/artifacts'"
        )
        for old in {row[0] for row in rows.fetchall()} - {artifacts}:
            for table, column in PATH_COLUMNS:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (artifacts, len(old) + 1, old, len(old) + 1, f"{old}/"),
                )


def check_schema(database: Path) -> None:
    """Check that a database is a file of its own folder, and runs nothing by itself: tables, and MLflow's triggers.

    A stranger's trigger could change the paths that MLflow has just written, after they were checked. SQLite goes by
    the statements in the schema, whatever type is noted beside them.

    Raises
    ------
    PermissionError
        Where it is a link, or has a trigger, a view or a virtual table that MLflow does not make.
    sqlite3.Error
        Where it is no database.
    """
    if database.is_symlink():
        raise PermissionError(f"{database} is a link: what is logged would be written elsewhere")
    with closing(sqlite3.connect(database)) as connection:
        for (sql,) in connection.execute("SELECT CAST(sql AS TEXT) FROM sqlite_master WHERE sql IS NOT NULL"):
            if not INERT.match(sql) and sql not in _migrations():
                raise PermissionError(f"{sql[:80]!r} in {database} is not MLflow's: it could write anywhere")


@cache
def _migrations() -> str:
    """Return MLflow's own migrations, the only code that makes its schema."""
    folder = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
    return "\n".join(path.read_text("utf-8") for path in sorted(folder.glob("*.py")))


def check_places(database: Path, experiment: str, artifacts: Path) -> None:
    """Check that the artifacts of an experiment are a folder, and those of its runs and models lie below it.

    Raises
    ------
    PermissionError
        Where one lies elsewhere: logging to it would write there.
    """
    places = (
        "SELECT artifact_location || '/x' FROM experiments WHERE experiment_id = :id",
        "SELECT artifact_uri FROM runs WHERE experiment_id = :id",
        "SELECT artifact_location FROM logged_models WHERE experiment_id = :id",
    )
    with closing(sqlite3.connect(database)) as connection:
        for place in places:
            for (address,) in connection.execute(place, {"id": experiment}):
                place_below(artifacts, address)


def place_below(artifacts: Path, address: str, *inside: str) -> Path:
    """Return the path, without links, of a file: address in MLflow's database, or of a file inside of that folder.

    Raises
    ------
    PermissionError
        Where it does not lie below `artifacts`, the folder in a root without links.
    """
    if isinstance(address, str) and address.startswith(f"{artifacts.as_uri()}/"):
        path = local_file_uri_to_path(address)  # type: ignore[no-untyped-call]
        if "\0" not in path:
            place = Path(os.path.realpath(Path(path, *inside)))
            if artifacts in place.parents:
                return place
    where = "/".join([str(address), *inside])
    raise PermissionError(f"its files would be written to {where:.200}, outside of {artifacts}")
