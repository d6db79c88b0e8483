"""python -m prefens.report: one page on members, blends and data. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens import command, config


def main() -> None:
    command.run("report", report)


def report(settings: config.ReportConfig) -> command.Rows:
    """Write report.html, model_card.md and figures/, and log them."""
    from prefens.blend_files import read_blend
    from prefens.data.folds import data_digest
    from prefens.errors import ConfigError
    from prefens.gathering import check_data, given_data
    from prefens.reporting import blend_report, data_report, fold_runs, write_report
    from prefens.swapping import swap_gaps
    from prefens.tracking.oof_store import OOFStore

    if settings.only not in (None, "data"):
        raise ConfigError(f"only={settings.only}", "data, or null for all sections", "correct only=")
    tracking = config.build(settings.tracking, config.Tracking)
    root = Path(tracking.root)
    given, backbones = given_data(settings.data), root / "backbones"
    if settings.only == "data":
        if given is None:
            raise ConfigError("only=data without data.path", "the pairs to look at", "add data.path=train.csv")
        made = data_report(given, backbones)
    else:
        store = OOFStore(root)
        chosen = settings.blend or store.select(settings.data_digest, settings.fold_digest).blend_path
        blend = read_blend(Path(chosen))
        if given is not None:
            check_data(blend.folds, data_digest(given.pairs))
        split = store.find(blend.folds)
        specs, runs = fold_runs(blend, split)
        gaps: dict[str, float] = {}
        if split is not None and given is not None:
            gaps = swap_gaps(split, specs, given.pairs, settings.swaps, backbones)
        made = blend_report(blend, given, runs, gaps, backbones, settings.texts, settings.resamples)
    page, *others = write_report(made, Path(settings.out), tracking)
    print(f"Wrote {page} ({page.stat().st_size / 1e6:.1f} MB), and beside it {len(others)} files")
    return []


if __name__ == "__main__":
    main()
