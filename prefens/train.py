"""python -m prefens.train: train members, fold by fold. See --help."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from prefens.runner import app, config, job
from prefens.runner.schemas import Tracking, TrainConfig


def main() -> None:
    app.run("train", train, finish)


def train(settings: TrainConfig) -> app.Rows:
    """Train one member, or one fold of it; return a row of results per fold run."""
    from prefens.core.errors import ConfigError
    from prefens.members.training import distributed
    from prefens.runner.builders import load_corpus, member_spec
    from prefens.runner.distributed import follow, leading
    from prefens.runner.trainer import Trainer
    from prefens.store.oof_store import OOFStore
    from prefens.store.tracking.factory import open_tracker

    tracking = config.build(settings.tracking, Tracking)
    root = Path(tracking.root)
    corpus = load_corpus(settings)
    folds = corpus.folds
    if settings.fold is not None and not 0 <= settings.fold < folds.k:
        raise ConfigError(f"fold={settings.fold}", f"0 to {folds.k - 1}, or null for all", "correct the fold")
    if settings.race is not None and not settings.race > 0:
        raise ConfigError(f"race={settings.race}", "a gain in nats above 0, or null", "correct race, to 0.0005 say")
    job.warn_unused(settings)
    spec = member_spec(settings, corpus)
    make = partial(config.build_member, settings)
    if distributed.rank() > 0:
        follow(corpus, spec, make, root)
    wanted = range(folds.k) if settings.fold is None else [settings.fold]
    with leading():
        split = OOFStore(root).put_folds(folds)
        with open_tracker(tracking) as tracker:
            trainer = Trainer(corpus, split, tracker, root, settings.force, settings.race)
            rows = trainer.train_member(spec, make, wanted)
    return [row | {"out": settings.out} for row in rows]


def finish(rows: app.Rows) -> None:
    """Print the table of all jobs and write it as JSON."""
    from prefens.core.files import write_json
    from prefens.runner.console import fold_table, show

    if rows:
        out = Path(rows[0].pop("out"))
        runs = [{name: value for name, value in row.items() if name != "out"} for row in rows]
        show(fold_table(runs))
        write_json(out / "train.json", {"runs": runs})


if __name__ == "__main__":
    # Launchers send the job to other processes by its module's name, which must not be __main__.
    from prefens import train as module

    module.main()
