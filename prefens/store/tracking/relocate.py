"""Mending MLflow's database after its folder was moved: it stores absolute paths."""

from __future__ import annotations

import sqlite3
from pathlib import Path

PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def relocate(database: Path, artifacts: str) -> None:
    """Point all that an SQLite file knows of to where its artifacts now are (a file: address)."""
    with sqlite3.connect(database, timeout=10) as connection:
        rows = connection.execute(
            "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE 'file:%/artifacts'"
        )
        for old in {row[0] for row in rows.fetchall()} - {artifacts}:
            for table, column in PLACES:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (artifacts, len(old) + 1, old, len(old) + 1, f"{old}/"),
                )
    connection.close()
