"""python -m prefens.blend: blend every complete member of the store. See --help."""

from __future__ import annotations

import logging
from pathlib import Path

from prefens import command, config

log = logging.getLogger(__name__)


def main() -> None:
    command.run("blend", blend)


def blend(settings: config.BlendConfig) -> command.Rows:
    """Fit the blends, print the leaderboard, write blend.json and leaderboard.json."""
    from prefens.blending import check_data, complete_members, describe, record
    from prefens.ensemble.crossfit import evaluate
    from prefens.ensemble.methods import method
    from prefens.errors import ConfigError
    from prefens.evaluation.leaderboard import leaderboard
    from prefens.evaluation.tables import leaderboard_table, show
    from prefens.files import write_json
    from prefens.tracking.oof_store import OOFStore
    from prefens.tracking.stack import make_stack

    if not settings.methods:
        raise ConfigError("methods=[]", "at least one blending method", "set methods=[soft_vote,log_loss]")
    tracking = config.build(settings.tracking, config.Tracking)
    split = OOFStore(Path(tracking.root)).select(settings.data_digest, settings.fold_digest)
    check_data(settings, split.folds)
    specs = complete_members(split, settings.members)
    runs = {spec.info: [split.predictions(spec, fold) for fold in range(split.folds.k)] for spec in specs}
    stack, holdout = make_stack(split.folds, runs)
    results = [evaluate(method(name), stack, holdout) for name in settings.methods]
    rows = leaderboard(stack, results, holdout)
    about = split.folds.settings
    show(leaderboard_table(rows, f"{len(stack.folds.ids)} pairs, {about['scheme']} folds, k={about['k']}"))
    found = describe(stack, results, split.folds)
    out = Path(settings.out)
    files = [write_json(out / "blend.json", found), write_json(out / "leaderboard.json", rows)]
    try:
        record(split, tracking, found, files, settings.model)
    except OSError as error:
        log.warning("the store can't be written (%s): predictions go on with the blend that it had", error)
    return rows


if __name__ == "__main__":
    main()
