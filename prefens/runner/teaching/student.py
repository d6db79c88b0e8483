"""The corpus of a student: the pairs, and what its teacher says of them."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from prefens.core.errors import ConfigError
from prefens.core.hashing import short
from prefens.core.teaching import SoftLabels
from prefens.core.teaching.soft_labels import TeacherScheme
from prefens.core.types import Floats
from prefens.data.corpus import Corpus
from prefens.runner import config
from prefens.runner.builders import check_learns
from prefens.runner.schemas import RecipeConfig
from prefens.runner.teaching.nested import NestedTeachers
from prefens.runner.teaching.settings import TeacherConfig
from prefens.runner.teaching.teacher import Lesson, find_teacher
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)


def teach(corpus: Corpus, settings: RecipeConfig) -> Corpus:
    """Return the corpus with the soft labels of the teacher that the settings name; as it is without a teacher.

    Raises
    ------
    ConfigError
        There is no such teacher, or it can't teach so.
    StoreError
        Its files are missing or damaged.
    """
    teacher = config.build(settings.teacher, TeacherConfig)
    if teacher.source is None:
        return corpus
    check_learns(config.build_member(settings))  # before teachers are trained
    split = OOFStore(Path(settings.tracking.root)).put_folds(corpus.folds)
    folders = [*config.backbone_folders(settings.backbones), split.root / "backbones"]
    blend = split.blend_path.stat().st_mtime_ns if split.has_blend() else None
    return _taught(corpus, split.path, OmegaConf.to_yaml(settings.teacher, resolve=True), tuple(folders), blend)


@lru_cache(maxsize=1)
def _taught(corpus: Corpus, split: Path, teacher: str, backbones: tuple[Path, ...], blend: int | None) -> Corpus:
    """As `teach`; the jobs of a sweep in one process share it. `blend` tells one stored blend from another."""
    settings = config.build(OmegaConf.create(teacher), TeacherConfig)
    soft_labels = make_soft_labels(corpus, SplitStore(split), settings, backbones)
    log.info("taught by %s, scheme %s, digest %s", settings.source, settings.scheme.name, short(soft_labels.digest))
    return replace(corpus, soft_labels=soft_labels)


def make_soft_labels(
    corpus: Corpus, split: SplitStore, settings: TeacherConfig, backbones: tuple[Path, ...] = ()
) -> SoftLabels:
    """Return what the teacher says of all pairs of the corpus; errors as in `teach`."""
    n = len(corpus.folds.ids)
    teacher = find_teacher(split, str(settings.source), corpus.pairs.take(np.arange(n)))
    if not teacher.specs and (settings.scheme is TeacherScheme.nested or settings.unlabelled):
        setting = "teacher.scheme=nested" if settings.scheme is TeacherScheme.nested else "teacher.unlabelled"
        came = f"{setting} with teacher.source={settings.source}, of which the store has no models"
        raise ConfigError(came, "members that were trained here", "name another source, or set teacher.scheme=oof")
    lessons = teacher.lessons(split)
    if settings.scheme is TeacherScheme.nested:
        lessons = teacher.nested_lessons(split, NestedTeachers(corpus, split, backbones).stacks(teacher.specs))
    by_fold = {fold: _extended(lesson, corpus) for fold, lesson in lessons.items()}
    return SoftLabels(by_fold, len(corpus.pairs), settings)


def _extended(lesson: Lesson, corpus: Corpus) -> Floats:
    """Return what the teacher says of all pairs: nothing of extra rows, which the teachers were trained on."""
    extra = np.full((len(corpus.pairs) - len(lesson.probabilities), lesson.probabilities.shape[1]), np.nan)
    return np.concatenate([lesson.probabilities, extra])
