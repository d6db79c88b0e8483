"""python -m prefens.import_oof: put the probabilities of an external member into the store. See --help."""

from __future__ import annotations

from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import ImportConfig
from prefens.store.tracking.factory import Tracking


def main() -> None:
    app.run("import_oof", import_oof)


def import_oof(settings: ImportConfig) -> app.Rows:
    """Store and track one member, and print its scores."""
    from prefens.core.errors import ConfigError
    from prefens.data.probabilities import read_probabilities
    from prefens.data.raw.names import stem
    from prefens.ensemble.leaderboard import leaderboard, member_losses
    from prefens.runner.console import leaderboard_table, show
    from prefens.runner.import_member import import_member
    from prefens.runner.sync import member_stack, open_tracker
    from prefens.store.external import ExternalMember
    from prefens.store.oof_store import OOFStore

    if settings.path is None:
        raise ConfigError("path is not set", "a file of probabilities", "add path=oof.csv")
    tracking, path = config.build(settings.tracking, Tracking), Path(settings.path)
    columns = config.mapping("columns", settings.columns)
    split = OOFStore(Path(tracking.root)).select(settings.data_digest, settings.fold_digest)
    member = ExternalMember.of(settings.name or stem(path), *read_probabilities(path, columns))
    with open_tracker(tracking) as tracker:
        spec = import_member(split, tracker, member, settings.force)
    stack, holdout = member_stack(split, spec)
    rows = leaderboard(stack, [], member_losses(holdout))
    show(leaderboard_table(rows, f"{spec.name}, {len(stack.folds.ids)} pairs, in {split.path}"))
    return [row.as_dict() for row in rows]


if __name__ == "__main__":
    main()
