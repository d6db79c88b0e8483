"""python -m prefens.deliver: tell the tracker all that the store holds and it does not. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import DeliverConfig, Tracking


def main() -> None:
    app.run("deliver", deliver)


def deliver(settings: DeliverConfig) -> app.Rows:
    """Deliver what waits and what was never told; print how much."""
    from prefens.runner.sync import track_store
    from prefens.store.oof_store import OOFStore
    from prefens.store.tracking.factory import open_tracker

    tracking = config.build(settings.tracking, Tracking)
    with open_tracker(tracking) as tracker:
        tracker.deliver()
        folds, members = track_store(OOFStore(Path(tracking.root)), tracker)
    print(f"{folds} fold runs and {members} members of {tracking.root} were not tracked")
    return []


if __name__ == "__main__":
    main()
