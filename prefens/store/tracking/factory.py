"""The tracker that the settings describe, one per process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from prefens.core.errors import ConfigError
from prefens.core.hashing import digest, short

if TYPE_CHECKING:
    from prefens.store.tracking.guarded_tracker import GuardedTracker


@dataclass
class Tracking:
    """Where results go.

    Attributes
    ----------
    root : str
        The folder of everything that prefens writes: the store, MLflow's files, caches, locks.
    experiment : str
        The name of MLflow's experiment.
    mlflow : bool
        Whether results are logged to MLflow.
    uri : str or None
        http(s)://HOST:PORT of an MLflow server; None for an SQLite file under `root`.
    """

    root: str
    experiment: str
    mlflow: bool
    uri: str | None = None


def make_tracker(tracking: Tracking) -> GuardedTracker | None:
    """Return the tracker of the settings, or None for tracking=none, which does not import MLflow.

    Raises
    ------
    ConfigError
        Where tracking.uri is not the address of a server.
    """
    if tracking.uri is not None and not re.match("https?://", tracking.uri):
        raise ConfigError(
            f"tracking.uri={tracking.uri}", "http://HOST:PORT of an MLflow server, or null", "correct tracking.uri"
        )
    return _guarded(tracking.root, tracking.experiment, tracking.uri) if tracking.mlflow else None


@lru_cache(maxsize=1)
def _guarded(root: str, experiment: str, uri: str | None) -> GuardedTracker:
    from prefens.store.tracking.guarded_tracker import GuardedTracker
    from prefens.store.tracking.mlflow_tracker import MlflowTracker

    marker = Path(root).resolve() / "locks" / f"unsynced-{short(digest([experiment, uri]))}"
    settings = "tracking=local" if uri is None else f"tracking=server tracking.uri={uri}"
    command = f"python -m prefens.sync {settings} tracking.root={root} tracking.experiment={experiment}"
    return GuardedTracker(lambda: MlflowTracker(Path(root), experiment, uri), marker, command)
