"""python -m prefens.train: train members, fold by fold. See --help."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from prefens import command, config

if TYPE_CHECKING:
    from prefens.data.corpus import Corpus


def main() -> None:
    command.run("train", train, finish)


def train(settings: config.TrainConfig) -> command.Rows:
    """Train one member, or one fold of it; return a row of results per fold run."""
    from prefens.errors import ConfigError
    from prefens.fold_runs import Trainer
    from prefens.trackers import open_tracker
    from prefens.tracking.oof_store import MemberSpec, OOFStore

    tracking = config.build(settings.tracking, config.Tracking)
    root = Path(tracking.root)
    corpus = load_corpus(
        OmegaConf.to_yaml(settings.data, resolve=True), OmegaConf.to_yaml(settings.folds, resolve=True)
    )
    if settings.fold is not None and not 0 <= settings.fold < corpus.folds.k:
        raise ConfigError(f"fold={settings.fold}", f"0 to {corpus.folds.k - 1}, or null for all", "correct the fold")
    recipe = config.recipe_of(settings) | config.build_member(settings).identity()
    if corpus.extra_digest is not None:
        recipe["extra_digest"] = corpus.extra_digest
    backbone = str(settings.backbone.name).rsplit("/", 1)[-1]
    folds = corpus.folds
    spec = MemberSpec(backbone, settings.backbone._target_, recipe, settings.seed, folds.data_digest, folds.digest)
    split = OOFStore(root).put_folds(folds)
    wanted = range(folds.k) if settings.fold is None else [settings.fold]
    with open_tracker(tracking) as tracker:
        trainer = Trainer(corpus, split, tracker, root, settings.force)
        rows = trainer.train_member(spec, lambda: config.build_member(settings), wanted)
    return [row | {"out": settings.out} for row in rows]


@lru_cache(maxsize=1)
def load_corpus(data: str, folds: str) -> Corpus:
    """Load data and folds; the jobs of a sweep in one process share them, and so the features of the pairs."""
    from prefens.data.corpus import make_corpus
    from prefens.data.folds import FoldSettings

    source: Any = config.build(OmegaConf.create(data))
    return make_corpus(source, config.build(OmegaConf.create(folds), FoldSettings))


def finish(rows: command.Rows) -> None:
    """Print the table of all jobs and write it as JSON."""
    from prefens.evaluation.tables import fold_table, show
    from prefens.files import write_json

    if rows:
        out = Path(rows[0].pop("out"))
        runs = [{name: value for name, value in row.items() if name != "out"} for row in rows]
        show(fold_table(runs))
        write_json(out / "train.json", {"runs": runs})


if __name__ == "__main__":
    # Launchers send the job to other processes by its module's name, which must not be __main__.
    from prefens import train as module

    module.main()
