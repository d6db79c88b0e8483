"""python -m prefens.status: how far a sweep is, while it runs or after. See --help."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from prefens.runner import app, config
from prefens.runner.schemas import StatusConfig
from prefens.store.tracking.factory import Tracking

PAUSE_SECONDS = 2.0  # between two readings, with watch=true


def main() -> None:
    sys.argv[1:] = ["watch=true" if argument == "--watch" else argument for argument in sys.argv[1:]]
    app.run("status", status)


def status(settings: StatusConfig) -> app.Rows:
    """Write and print the status of each member's folds, once or again and again."""
    from prefens.core.files import write_json
    from prefens.core.output import reader_has_left
    from prefens.runner.console import show_status
    from prefens.runner.sweep_status import read_sweep_status

    root = Path(config.build(settings.tracking, Tracking).root)
    pause = _pause(settings.watch)
    while True:
        status = read_sweep_status(root)
        if settings.out is not None:
            write_json(Path(settings.out) / "status.json", status.as_dict())
        if settings.json:
            print(json.dumps(status.as_dict()), flush=True)
        else:
            show_status(status, clear=pause is not None)
        if pause is None or reader_has_left():
            return []
        time.sleep(pause)


def _pause(watch: Any) -> float | None:
    """Return the seconds between two readings, or None for a single one."""
    from prefens.core.errors import ConfigError

    if watch is None or isinstance(watch, bool):
        return PAUSE_SECONDS if watch else None
    if isinstance(watch, int | float) and watch > 0:
        return float(watch)
    raise ConfigError(f"watch={watch}", "true, false or seconds above 0", "correct watch=")


if __name__ == "__main__":
    main()
