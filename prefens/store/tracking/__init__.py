"""MLflow as a mirror of the store: runs, registered models, and the server with its database."""

import os
from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

# MLflow reads these when it is imported. Its own patience with a server that is down is over 4 minutes a call.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

if TYPE_CHECKING:
    from prefens.store.tracking.factory import Tracking, make_tracker
    from prefens.store.tracking.guarded_tracker import GuardedTracker
    from prefens.store.tracking.mlflow_backend import MlflowBackend, open_backend
    from prefens.store.tracking.mlflow_tracker import MlflowTracker
    from prefens.store.tracking.tracker import MemberSummary, NoTracker, Tracker

__all__ = [
    "GuardedTracker",
    "MemberSummary",
    "MlflowBackend",
    "MlflowTracker",
    "NoTracker",
    "Tracker",
    "Tracking",
    "make_tracker",
    "open_backend",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
