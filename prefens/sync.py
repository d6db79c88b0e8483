"""python -m prefens.sync: log all that the store holds and MLflow lacks. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import SyncConfig


def main() -> None:
    app.run("sync", sync)


def sync(settings: SyncConfig) -> app.Rows:
    """Make MLflow equal to the store; print how many runs it lacked."""
    from prefens.core.errors import ConfigError, StoreError, counted
    from prefens.runner.sync import sync_store
    from prefens.store.oof_store import OOFStore
    from prefens.store.tracking.factory import Tracking, make_tracker

    tracking = config.build(settings.tracking, Tracking)
    tracker = make_tracker(tracking)
    if tracker is None:
        raise ConfigError("tracking=none", "an MLflow to log to", "set tracking=local, or tracking=server")
    count = sync_store(OOFStore(Path(tracking.root)), tracker)
    if tracker.behind:
        raise StoreError(
            f"{counted(count, 'run')} logged, and not all: {tracker.problem or 'another process syncs'}",
            "an MLflow that takes them",
            "repair it, or move it away, and sync again; tracking=none does without it",
        )
    print(f"{counted(count, 'run')} logged: MLflow has all of {tracking.root}")
    return []


if __name__ == "__main__":
    main()
