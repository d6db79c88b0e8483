"""python -m prefens.tune: search over the fields of a recipe. See --help."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from prefens.runner import app, config
from prefens.runner.schemas import TuneConfig
from prefens.store.tracking.factory import Tracking, database_uri


def main() -> None:
    app.run("tune", tune)


def tune(settings: TuneConfig) -> app.Rows:
    """Run trials until enough are finished; write tune.json and print them, best first."""
    from prefens.core.files import write_json
    from prefens.runner.backbone_check import check_backbones
    from prefens.runner.builders import load_corpus, member_spec, open_trainer
    from prefens.runner.console import show, trial_table
    from prefens.runner.search import Search, trial_row
    from prefens.runner.teaching.student import teach
    from prefens.runner.trainer import Trainer
    from prefens.store.member_spec import MemberSpec

    corpus = teach(load_corpus(settings), settings)
    base, folds = member_spec(settings, corpus), corpus.folds
    space = config.plain(settings.space)
    identity = [dict(base.recipe), base.seed, base.data_digest, base.fold_digest]
    tracking = config.build(settings.tracking, Tracking)
    storage = settings.storage or database_uri(Path(tracking.root) / "tuning.db")
    search = Search(space, settings.trials, storage, identity, folds.k, settings.startup, settings.seed)

    def spec_of(values: Mapping[str, Any]) -> MemberSpec:
        return member_spec(config.with_fields(settings, values), corpus)

    def fold_loss(trainer: Trainer, values: Mapping[str, Any], fold: int) -> tuple[float, int]:
        spec = spec_of(values)
        if folds.scored.all():
            trainer.split.mark_tuned(spec)
        make = partial(config.build_member, config.with_fields(settings, values))
        (row,) = trainer.train_member(spec, make, [fold])
        return cast(float, row.log_loss), int((folds.fold == fold).sum())

    names = list(space.get("backbone.name", [])) or [settings.backbone.name]
    check_backbones([config.with_fields(settings, {"backbone.name": name}) for name in names])
    with open_trainer(corpus, tracking) as trainer:
        trials = search.run(partial(fold_loss, trainer))
    rows = [trial_row(trial, trainer.split, spec_of(trial.params)) for trial in trials]
    write_json(Path(settings.out) / "tune.json", {"trials": [row.as_dict() for row in rows]})
    show(trial_table(rows))
    return [row.as_dict() for row in rows]


if __name__ == "__main__":
    main()
