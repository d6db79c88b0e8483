"""New paths in MLflow's database after its folder was moved: it stores absolute ones."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

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
