"""python -m prefens.distil: train one student for an ensemble. See --help."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from prefens.runner import app, config
from prefens.runner.schemas import DistilConfig
from prefens.store.tracking.factory import Tracking


def main() -> None:
    app.run("distil", distil)


def distil(settings: DistilConfig) -> app.Rows:
    """Train the student's folds and its full fit; compare it with its teacher, and print both."""
    from prefens.core.errors import ConfigError
    from prefens.core.files import write_json
    from prefens.ensemble.files.distillation_file import FILE_NAME, write_distillation
    from prefens.runner.builders import load_corpus, member_spec, open_trainer
    from prefens.runner.console import show
    from prefens.runner.distributed import lead
    from prefens.runner.job import warn_unused
    from prefens.runner.teaching.comparison import compare_with_teacher
    from prefens.runner.teaching.settings import TeacherConfig
    from prefens.runner.teaching.student import teach
    from prefens.runner.teaching.table import distillation_table

    warn_unused(settings)
    teacher = config.build(settings.teacher, TeacherConfig)
    if teacher.source is None:
        raise ConfigError("teacher.source=null", "a teacher", "set teacher.source=blend, a member or a file")
    tracking = config.build(settings.tracking, Tracking)
    corpus, make = teach(load_corpus(settings), settings), partial(config.build_member, settings)
    spec = member_spec(settings, corpus)
    opening = open_trainer(corpus, tracking, settings.force)
    with lead(corpus, spec, make, Path(tracking.root)), opening as trainer:
        trainer.train_member(spec, make, range(corpus.folds.k))
        trainer.train_full(spec, make)
        split = trainer.split
    folders = config.backbone_folders(settings.backbones)
    distillation = compare_with_teacher(corpus, split, spec, teacher, folders, settings.cost_pairs)
    if distillation.comparisons:
        write_distillation(split.member_dir(spec.name) / FILE_NAME, distillation, split.folds)
    write_json(Path(settings.out) / "distil.json", distillation.as_dict())
    show(distillation_table(distillation))
    return [distillation.as_dict()]


if __name__ == "__main__":
    main()
