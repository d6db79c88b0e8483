"""python -m prefens.rate: ratings of the models in the data, from votes and predictions. See --help."""

from __future__ import annotations

import logging
from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import RateConfig
from prefens.store.tracking.factory import Tracking

log = logging.getLogger(__name__)


def main() -> None:
    app.run("rate", rate)


def rate(settings: RateConfig) -> app.Rows:
    """Rate the models, write the files, print the table, and log the run."""
    from prefens.core.errors import ConfigError
    from prefens.ensemble.ratings.summary import rate_models
    from prefens.runner.console import show
    from prefens.runner.rate.inputs import load_rating_inputs
    from prefens.runner.rate.outputs import TITLE, metrics, notes, ratings_table, write_page, write_ratings
    from prefens.runner.sync import log_results

    if settings.resamples < 0:
        raise ConfigError(f"resamples={settings.resamples}", "0 or more", "set resamples=300, say")
    tracking, out = config.build(settings.tracking, Tracking), Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    inputs = load_rating_inputs(settings, Path(tracking.root))
    summary = rate_models(inputs.pairs, inputs.group, inputs.predictions, settings.style, settings.resamples)
    files = write_ratings(summary, out)
    try:
        files += write_page(summary, inputs.tags["prefens.data_digest"], out)
    except Exception as error:  # whatever it is: the ratings are written
        log.warning("no page, the ratings are in %s: %s: %s", out, type(error).__name__, error)
    log_results(tracking, TITLE, inputs.tags, files, metrics(summary))
    show(ratings_table(summary))
    print("\n".join(notes(summary)))
    return summary.rows()


if __name__ == "__main__":
    main()
