"""The tracker that the settings ask for, one per process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from prefens.core.errors import ConfigError

if TYPE_CHECKING:
    from prefens.runner.schemas import Tracking
    from prefens.store.tracking.tracker import Tracker


@contextmanager
def open_tracker(tracking: Tracking) -> Iterator[Tracker]:
    """Yield the tracker of the settings, and deliver at the end what a server did not take yet."""
    tracker = make_tracker(tracking)
    try:
        yield tracker
    finally:
        tracker.deliver()


def make_tracker(tracking: Tracking) -> Tracker:
    """Return the tracker of the settings; MLflow is imported only where it is used."""
    from prefens.store.tracking.tracker import NoTracker

    if tracking.uri is not None and not re.match("https?://", tracking.uri):
        raise ConfigError(
            f"tracking.uri={tracking.uri}", "http://HOST:PORT of an MLflow server, or null", "correct tracking.uri"
        )
    return _mlflow(tracking.root, tracking.experiment, tracking.uri) if tracking.mlflow else NoTracker()


@lru_cache(maxsize=1)
def _mlflow(root: str, experiment: str, uri: str | None) -> Tracker:
    from prefens.store.tracking.mlflow_tracker import MlflowTracker

    if uri is None:
        return MlflowTracker(Path(root), experiment)
    from prefens.tracking.outbox import Outbox

    settings = f"tracking=server tracking.uri={uri} tracking.root={root} tracking.experiment={experiment}"
    return Outbox(
        Path(root).resolve() / "outbox",
        lambda: MlflowTracker(Path(root), experiment, uri),
        f"python -m prefens.deliver {settings}",
    )
