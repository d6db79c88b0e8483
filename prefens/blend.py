"""python -m prefens.blend: blend members of the store, and files from elsewhere. See --help."""

from __future__ import annotations

import logging
from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import BlendConfig, Tracking

log = logging.getLogger(__name__)


def main() -> None:
    app.run("blend", blend)


def blend(settings: BlendConfig) -> app.Rows:
    """Fit the blends, print the tables, write blend.json, weights.json, leaderboard.json and figures."""
    from prefens.core.errors import ConfigError
    from prefens.ensemble.base import Blender
    from prefens.ensemble.blend import make_blend, record
    from prefens.ensemble.registry import calibration
    from prefens.runner.blend_inputs import gather
    from prefens.runner.console import leaderboard_table, member_table, show

    if not settings.blender or settings.resamples < 1 or settings.recheck < 0:
        raise ConfigError(
            f"{len(settings.blender)} methods, resamples={settings.resamples}, recheck={settings.recheck}",
            "a method or more, resamples of 1 or more, recheck of 0 or more",
            "set blender=all, say",
        )
    Path(settings.out).mkdir(parents=True, exist_ok=True)  # before the work, not after it
    blenders: list[Blender] = [config.build(node) for node in settings.blender.values()]
    calibrations = [calibration(name) for name in settings.calibrations]
    tracking = config.build(settings.tracking, Tracking)
    found = make_blend(gather(settings), blenders, calibrations, settings.resamples)
    found = found.rechecked(settings.recheck, Path(tracking.root) / "backbones")
    rows = found.leaderboard()
    show(leaderboard_table(rows, found.title()))
    show(member_table(found.member_rows()))
    for alarm in found.alarms():
        log.warning("suspicious: %s", alarm)
    record(found, tracking, Path(settings.out), settings.model)
    return rows


if __name__ == "__main__":
    main()
