"""Absolute paths in MLflow's database: new ones after its folder was moved, and none that lead out of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

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


def check_places(database: Path, experiment: str, artifacts: str) -> None:
    """Check that the artifacts of an experiment and its runs lie below an address, as a database of ours has it.

    Raises
    ------
    PermissionError
        Where one lies elsewhere: logging to it would write there.
    """
    places = (
        "SELECT artifact_location FROM experiments WHERE experiment_id = :id",
        "SELECT artifact_uri FROM runs WHERE experiment_id = :id",
        "SELECT artifact_location FROM logged_models WHERE experiment_id = :id",
    )
    with closing(sqlite3.connect(database)) as connection:
        for place in places:
            for (address,) in connection.execute(place, {"id": experiment}):
                inside = address == artifacts or address.startswith(f"{artifacts}/")
                if not inside or ".." in unquote(address):
                    raise PermissionError(f"its files would be written to {address:.200}, outside of {artifacts}")
