"""The tracker that the settings describe, one per process."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from prefens.core.credentials import keep_login
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
        http(s)://HOST:PORT of an MLflow server; None for an SQLite file under `root`. A name and a password in it are
        masked: MLflow takes them from its environment variables.
    """

    root: str
    experiment: str
    mlflow: bool
    uri: str | None = None

    def __post_init__(self) -> None:
        self.uri = None if self.uri is None else keep_login(self.uri)


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
    place = str(Path(root) / "mlflow.db") if uri is None else uri
    settings = [] if uri is None else [_setting("tracking.uri", uri)]
    settings += [_setting("tracking.root", root), _setting("tracking.experiment", experiment)]
    kind = "local" if uri is None else "server"
    command = f"python -m prefens.sync tracking={kind} {' '.join(settings)}"
    return GuardedTracker(lambda: MlflowTracker(Path(root), experiment, uri), marker, place, command)


def _setting(name: str, value: str) -> str:
    """Return an argument of a command for the shell, with the quotes that Hydra's grammar needs."""
    if not re.fullmatch(r"[\w./:@*+-]+", value):
        escaped = re.sub(r"(\\*)'", r"\1\1\'", value)  # backslashes count before a quote alone
        value = f"'{escaped}'"
    return shlex.quote(f"{name}={value}")


def database_uri(database: Path) -> str:
    """Return SQLAlchemy's address of an SQLite file, whatever characters its path has."""
    from sqlalchemy.engine import URL

    # With the driver's name MLflow makes no folder that is called by the quoted path.
    url = URL.create("sqlite+pysqlite", database=database.resolve().as_posix())
    return url.render_as_string(hide_password=False)
