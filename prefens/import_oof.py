"""python -m prefens.import_oof: put probabilities made elsewhere into the store. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens import command, config


def main() -> None:
    command.run("import_oof", import_oof)


def import_oof(settings: config.ImportConfig) -> command.Rows:
    """Store and track one member, and print its scores."""
    from prefens.errors import ConfigError
    from prefens.evaluation.leaderboard import leaderboard, member_losses
    from prefens.evaluation.tables import leaderboard_table, show
    from prefens.gathering import read_member
    from prefens.importing import import_member
    from prefens.scoring import member_stack
    from prefens.trackers import open_tracker
    from prefens.tracking.oof_store import OOFStore

    if settings.path is None:
        raise ConfigError("path is not set", "a CSV or parquet file of probabilities", "add path=oof.csv")
    tracking = config.build(settings.tracking, config.Tracking)
    split = OOFStore(Path(tracking.root)).select(settings.data_digest, settings.fold_digest)
    columns = config.mapping("columns", settings.columns)
    member = read_member(Path(settings.path), columns, settings.name)
    with open_tracker(tracking) as tracker:
        spec = import_member(split, tracker, member, settings.force)
    stack, holdout = member_stack(split, spec)
    rows = leaderboard(stack, [], member_losses(holdout))
    show(leaderboard_table(rows, f"{spec.name}, {len(stack.folds.ids)} pairs, in {split.path}"))
    return [row.as_dict() for row in rows]


if __name__ == "__main__":
    main()
