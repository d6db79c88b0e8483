"""The tracker that the settings ask for, one per process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefens.config import Tracking
    from prefens.tracking.tracker import Tracker


def make_tracker(tracking: Tracking) -> Tracker:
    """Return the tracker of the settings; MLflow is imported only where it is used."""
    from prefens.tracking.tracker import NoTracker

    return _mlflow(tracking.root, tracking.experiment) if tracking.mlflow else NoTracker()


@lru_cache(maxsize=1)
def _mlflow(root: str, experiment: str) -> Tracker:
    from prefens.tracking.mlflow_tracker import MlflowTracker

    return MlflowTracker(Path(root), experiment)
