"""python -m prefens.blend: blend members of the store, and files from elsewhere. See --help."""

from __future__ import annotations

import logging
from pathlib import Path

from prefens import command, config

log = logging.getLogger(__name__)


def main() -> None:
    command.run("blend", blend)


def blend(settings: config.BlendConfig) -> command.Rows:
    """Fit the blends, print the leaderboard, write blend.json and leaderboard.json."""
    from prefens.blending import describe, record
    from prefens.ensemble.crossfit import evaluate
    from prefens.ensemble.methods import method
    from prefens.errors import ConfigError
    from prefens.evaluation.leaderboard import leaderboard
    from prefens.evaluation.tables import leaderboard_table, show
    from prefens.files import write_json
    from prefens.gathering import gather

    if not settings.methods:
        raise ConfigError("methods=[]", "at least one blending method", "set methods=[soft_vote,log_loss]")
    tracking = config.build(settings.tracking, config.Tracking)
    gathered = gather(settings)
    stack, holdout = gathered.stack, gathered.holdout
    results = [evaluate(method(name), stack, holdout) for name in settings.methods]
    rows = leaderboard(stack, results, holdout)
    about = gathered.folds.settings
    show(leaderboard_table(rows, f"{len(stack.folds.ids)} pairs, {about['scheme']} folds, k={about['k']}"))
    found = describe(stack, results, gathered.folds)
    out = Path(settings.out)
    files = [write_json(out / "blend.json", found), write_json(out / "leaderboard.json", rows)]
    try:
        record(gathered.split, tracking, found, files)
    except OSError as error:
        log.warning("the store can't be written (%s): predictions go on with the blend that it had", error)
    return rows


if __name__ == "__main__":
    main()
