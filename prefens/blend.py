"""python -m prefens.blend: blend members of the store, and files of external ones. See --help."""

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
    from prefens.runner.blend.inputs import load_blend_inputs, with_features
    from prefens.runner.blend.outputs import check_complete, record, title
    from prefens.runner.blend.sources import parse_sources
    from prefens.runner.console import leaderboard_table, member_table, show

    if not settings.blender or settings.resamples < 1 or settings.recheck < 0:
        came = f"{len(settings.blender)} methods, resamples={settings.resamples}, recheck={settings.recheck}"
        raise ConfigError(came, "1 or more of the first two, recheck of 0 or more", "set blender=all, say")
    blenders: list[Blender] = [config.build(node) for node in settings.blender.values()]
    calibrations = [calibration(name) for name in settings.calibrations]
    tracking = config.build(settings.tracking, Tracking)
    root, out = Path(tracking.root), Path(settings.out)
    sources = parse_sources(settings, root)
    out.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    inputs = load_blend_inputs(sources)
    folders, alarms = config.backbone_folders(settings.backbones, root / "backbones"), list[str]()
    if inputs.split is not None and inputs.pairs is not None:
        alarms = [*check_predictions(inputs.split, inputs.stored, inputs.pairs, settings.recheck, folders)]
    if any(blender.wants_features for blender in blenders):
        inputs = with_features(inputs)
    blend = make_blend(inputs, blenders, calibrations, settings.resamples, settings.metric).with_alarms(alarms)
    record(blend, inputs, tracking, out, settings.model, folders, settings.copy_backbones)
    rows = blend.leaderboard
    show(leaderboard_table(rows, title(blend, inputs)))
    show(member_table(blend.members))
    for alarm in blend.diagnosis.alarms:
        log.warning("suspicious: %s", alarm)
    check_complete(inputs, out)
    return [row.as_dict() for row in rows]


if __name__ == "__main__":
    main()
