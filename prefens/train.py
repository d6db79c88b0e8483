"""python -m prefens.train: train members, fold by fold. See --help."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import TrainConfig
from prefens.store.tracking.factory import Tracking


def main() -> None:
    app.run("train", train, finish)


def train(settings: TrainConfig) -> app.Rows:
    """Train one member, or one fold of it; return a row of results per fold run."""
    from prefens.runner.builders import folds_to_train, load_corpus, member_spec, open_trainer
    from prefens.runner.distributed import lead
    from prefens.runner.job import warn_unused
    from prefens.runner.teaching.student import teach

    warn_unused(settings)
    tracking = config.build(settings.tracking, Tracking)
    corpus, make = teach(load_corpus(settings), settings), partial(config.build_member, settings)
    folds, spec = folds_to_train(settings, corpus.folds.k), member_spec(settings, corpus)
    opening = open_trainer(corpus, tracking, settings.force, settings.early_discard)
    with lead(corpus, spec, make, Path(tracking.root)), opening as trainer:
        results = trainer.train_member(spec, make, folds)
        if settings.full and (fitted := trainer.train_full(spec, make)) is not None:
            results.append(fitted)
    return [{"run": run.as_dict(), "out": settings.out, "outcomes": corpus.folds.n_outcomes} for run in results]


def finish(rows: app.Rows) -> None:
    """Write the results of all jobs as JSON and print them as a table."""
    from prefens.core.files import write_json
    from prefens.runner.console import fold_table, show
    from prefens.runner.results import FoldResult

    if rows:
        write_json(Path(rows[0]["out"]) / "train.json", {"runs": [row["run"] for row in rows]})
        show(fold_table([FoldResult(**row["run"]) for row in rows], rows[0]["outcomes"]))


if __name__ == "__main__":
    # Launchers send the job to other processes by its module's name, which must not be __main__.
    from prefens import train as module

    module.main()
