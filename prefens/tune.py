"""python -m prefens.tune: search over the fields of a recipe. See --help."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from prefens.runner import app, config
from prefens.runner.schemas import Tracking, TuneConfig


def main() -> None:
    app.run("tune", tune)


def tune(settings: TuneConfig) -> app.Rows:
    """Run trials until enough are finished; print them, best first, and write tune.json."""
    from prefens.core.files import write_json
    from prefens.runner.builders import load_corpus, member_spec
    from prefens.runner.console import show, trial_table
    from prefens.runner.search import Search, trial_rows
    from prefens.runner.trainer import Trainer
    from prefens.store.oof_store import OOFStore
    from prefens.store.tracking.factory import open_tracker

    tracking = config.build(settings.tracking, Tracking)
    corpus = load_corpus(settings)
    folds, split = corpus.folds, OOFStore(Path(tracking.root)).put_folds(corpus.folds)
    base = member_spec(settings, corpus)
    space: Any = OmegaConf.to_container(settings.space or OmegaConf.create({}), resolve=True)
    identity = [dict(base.recipe), base.seed, base.data_digest, base.fold_digest]
    search = Search(space, settings.trials, settings.storage, identity, folds.k, settings.startup, settings.seed)

    def with_values(values: Mapping[str, Any]) -> Any:
        return config.with_fields(settings, values)

    def fold_loss(trainer: Trainer, values: Mapping[str, Any], fold: int) -> tuple[float, int]:
        chosen = with_values(values)
        spec = member_spec(chosen, corpus)
        if folds.scored.all():
            split.mark_tuned(spec)
        (row,) = trainer.train_member(spec, lambda: config.build_member(chosen), [fold])
        return row["log_loss"], int((folds.fold == fold).sum())

    with open_tracker(tracking) as tracker:
        trainer = Trainer(corpus, split, tracker, Path(tracking.root))
        trials = search.run(partial(fold_loss, trainer))
    rows = trial_rows(trials, split, lambda values: member_spec(with_values(values), corpus))
    show(trial_table(rows))
    write_json(Path(settings.out) / "tune.json", {"trials": rows})
    return rows


if __name__ == "__main__":
    main()
