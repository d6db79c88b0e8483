"""python -m prefens.blend: blend members of the store, and files from elsewhere. See --help."""

from __future__ import annotations

import logging
from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import BlendConfig
from prefens.store.tracking.factory import Tracking

log = logging.getLogger(__name__)


def main() -> None:
    app.run("blend", blend_members)


def blend_members(settings: BlendConfig) -> app.Rows:
    """Fit the blends, write their files, print the tables."""
    from prefens.core.errors import ConfigError
    from prefens.ensemble.base import Blender
    from prefens.ensemble.blend import make_blend
    from prefens.ensemble.registry import calibration
    from prefens.inference.checks import check_predictions
    from prefens.runner.blend_inputs import load_blend_inputs, with_features
    from prefens.runner.blend_outputs import record
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
    gathered = load_blend_inputs(settings)
    if any(blender.wants_features for blender in blenders):
        gathered = with_features(gathered)
    blend = make_blend(gathered, blenders, calibrations, settings.resamples)
    if gathered.split is not None and gathered.pairs is not None:
        backbones = Path(tracking.root) / "backbones"
        mismatches = check_predictions(gathered.split, gathered.stored, gathered.pairs, settings.recheck, backbones)
        blend = blend.with_alarms([*mismatches])
    record(blend, gathered, tracking, Path(settings.out), settings.model)
    rows = blend.leaderboard()
    show(leaderboard_table(rows, blend.title()))
    show(member_table(blend.members()))
    for alarm in blend.diagnosis.alarms:
        log.warning("suspicious: %s", alarm)
    return [row.as_dict() for row in rows]


if __name__ == "__main__":
    main()
