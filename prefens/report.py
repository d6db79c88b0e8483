"""python -m prefens.report: one page on members, blends and data. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import ReportConfig, Tracking


def main() -> None:
    app.run("report", report)


def report(settings: ReportConfig) -> app.Rows:
    """Write report.html, model_card.md and figures/, and log them."""
    from prefens.core.errors import ConfigError
    from prefens.ensemble.base import Blender
    from prefens.ensemble.blend import make_blend
    from prefens.ensemble.registry import calibration
    from prefens.reporting.report import blend_report, data_report, write_report
    from prefens.runner.blend_inputs import gather, given_data

    if settings.only not in (None, "data"):
        raise ConfigError(f"only={settings.only}", "data, or null for all sections", "correct only=")
    tracking = config.build(settings.tracking, Tracking)
    if settings.only == "data":
        given = given_data(settings.data)
        if given is None:
            raise ConfigError("only=data without data.path", "the pairs to look at", "add data.path=train.csv")
        found = data_report(given, Path(tracking.root) / "backbones")
    else:
        blenders: list[Blender] = [config.build(node) for node in settings.blender.values()]
        calibrations = [calibration(name) for name in settings.calibrations]
        blend = make_blend(gather(settings), blenders, calibrations, settings.resamples)
        found = blend_report(
            blend, Path(tracking.root) / "backbones", settings.swaps, settings.texts, settings.resamples
        )
    page, *others = write_report(found, Path(settings.out), tracking)
    print(f"Wrote {page} ({page.stat().st_size / 1e6:.1f} MB), and beside it {len(others)} files")
    return []


if __name__ == "__main__":
    main()
