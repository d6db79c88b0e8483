"""python -m prefens.report: one page on members, blends and data. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import ReportConfig
from prefens.store.tracking.factory import Tracking


def main() -> None:
    app.run("report", report)


def report(settings: ReportConfig) -> app.Rows:
    """Write report.html, model_card.md and figures/, and log them."""
    from prefens.core.errors import ConfigError, counted
    from prefens.data.folds import check_data, data_digest
    from prefens.inference.checks import swap_gaps
    from prefens.reporting.leaderboard.fold_runs import load_fold_runs
    from prefens.reporting.report import blend_report, data_report, students_report, write_report
    from prefens.runner.blend.inputs import load_data
    from prefens.runner.blend.other_split import read_blends
    from prefens.runner.blend.sources import data_source
    from prefens.runner.sync import log_results
    from prefens.store.oof_store import OOFStore

    if settings.only not in (None, "data", "students"):
        raise ConfigError(f"only={settings.only}", "data, students, or null for all sections", "correct only=")
    tracking = config.build(settings.tracking, Tracking)
    root, source = Path(tracking.root), data_source(settings.data)
    folders = config.backbone_folders(settings.backbones, root / "backbones")
    data = None if source is None else load_data(source)
    if settings.only == "data":
        content = data_report(data, folders)
    elif settings.only == "students":
        own = OOFStore(root).select(settings.data_digest, settings.fold_digest)
        content = students_report(own, data)
    else:
        blend, other = read_blends(root, settings.blend, (settings.data_digest, settings.fold_digest))
        check_data(blend.folds, None if data is None else data_digest(data.pairs))
        split = OOFStore(root).find(blend.folds)
        specs, runs = load_fold_runs(blend, split)
        gaps = swap_gaps(split, specs, data.pairs, settings.swaps, folders) if split and data else {}
        content = blend_report(blend, data, runs, gaps, folders, settings.texts, settings.resamples, other, split)
    page, *others = files = write_report(content, Path(settings.out))
    log_results(tracking, content.page.title, content.tags, files, {})
    print(f"Wrote {page} ({page.stat().st_size / 1e6:.1f} MB), and beside it {counted(len(others), 'file')}")
    return []


if __name__ == "__main__":
    main()
