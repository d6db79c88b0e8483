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
    from prefens.runner.builders import load_corpus, member_spec, open_trainer
    from prefens.runner.distributed import lead
    from prefens.runner.job import warn_unused
    from prefens.runner.teaching.student import teach

    warn_unused(settings)
    tracking = config.build(settings.tracking, Tracking)
    corpus, make = teach(load_corpus(settings), settings), partial(config.build_member, settings)
    folds, spec = _checked_folds(settings, corpus.folds.k), member_spec(settings, corpus)
    opening = open_trainer(corpus, tracking, settings.force, settings.early_discard)
    with lead(corpus, spec, make, Path(tracking.root)), opening as trainer:
        results = trainer.train_member(spec, make, folds)
        if settings.full and (fitted := trainer.train_full(spec, make)) is not None:
            results.append(fitted)
    return [{"run": run.as_dict(), "out": settings.out, "outcomes": corpus.folds.n_outcomes} for run in results]


def _checked_folds(settings: TrainConfig, k: int) -> list[int]:
    """Return which of the k folds to train; ConfigError for settings that can't be."""
    from prefens.core.errors import ConfigError

    if settings.early_discard is not None and not settings.early_discard > 0:
        came = f"early_discard={settings.early_discard}"
        raise ConfigError(came, "a gain in nats above 0, or null", "set early_discard=0.0005, say")
    if settings.fold is not None and not 0 <= settings.fold < k:
        raise ConfigError(f"fold={settings.fold}", f"0 to {k - 1}, or null for all", "correct the fold")
    if settings.full and settings.fold is not None:
        came = f"full=true and fold={settings.fold}"
        raise ConfigError(came, "one of them: full=true trains all folds, and then on all of them", "leave one out")
    return list(range(k)) if settings.fold is None else [settings.fold]


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
