"""python -m prefens.status: how a sweep stands, while it runs or after. See --help."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from prefens.runner import app, config
from prefens.runner.schemas import StatusConfig, Tracking


def main() -> None:
    sys.argv[1:] = ["watch=true" if argument == "--watch" else argument for argument in sys.argv[1:]]
    app.run("status", status)


def status(settings: StatusConfig) -> app.Rows:
    """Print how each member's folds stand, once or again and again."""
    from prefens.core.errors import ConfigError

    root = Path(config.build(settings.tracking, Tracking).root)
    if not (root / "store").is_dir():
        raise ConfigError(f"no store in {root}", "members that were begun", "train some, or give tracking.root=DIR")
    pause = _pause(settings.watch)
    while True:
        _tell(root, settings, clear=pause is not None)
        if pause is None:
            return []
        time.sleep(pause)


def _pause(watch: Any) -> float | None:
    """Return the seconds between two looks, or None for a single one."""
    from prefens.core.errors import ConfigError

    if watch is None or watch is False:
        return None
    if watch is True:
        return 2.0
    if isinstance(watch, int | float) and watch > 0:
        return float(watch)
    raise ConfigError(f"watch={watch}", "true, false or seconds above 0", "correct watch=")


def _tell(root: Path, settings: StatusConfig, clear: bool) -> None:
    from prefens.core.files import write_json
    from prefens.runner.console import show, status_notes, status_table
    from prefens.runner.sweep import latest
    from prefens.runner.sweep_status import split_statuses

    found = split_statuses(root)
    sweep = latest(root)
    pending = sweep.pending() if sweep is not None else []
    about: dict[str, Any] = {"splits": [standing.as_dict() for standing in found], "jobs_not_begun": pending}
    if clear and not settings.json:
        print("\033[2J\033[H", end="")
    if settings.json:
        print(json.dumps(about), flush=True)
    else:
        for standing in about["splits"]:
            show(status_table(standing))
            print("\n".join(status_notes(standing)))
        if pending:
            print(
                f"{len(pending)} jobs of the latest sweep have not begun, such as: {' '.join(pending[0])}", flush=True
            )
    if settings.out is not None:
        write_json(Path(settings.out) / "status.json", about)


if __name__ == "__main__":
    main()
