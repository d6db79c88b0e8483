"""The corpus of a student: the pairs, and its teacher's probabilities of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from prefens.core.errors import ConfigError, StoreError
from prefens.core.hashing import digest, short
from prefens.core.leases.leases import wait_for
from prefens.core.teaching import NO_VOTE, SoftLabels
from prefens.core.teaching.soft_labels import TeacherScheme
from prefens.core.types import Floats, OOFStack, Pairs
from prefens.data.corpus import Corpus
from prefens.data.raw.names import is_file_name
from prefens.runner import config
from prefens.runner.builders import check_learns
from prefens.runner.schemas import RecipeConfig
from prefens.runner.teaching.nested import NestedTeachers
from prefens.runner.teaching.pseudo_labels import predict_unlabelled
from prefens.runner.teaching.settings import TeacherConfig
from prefens.runner.teaching.teacher import Teacher, find_teacher
from prefens.runner.teaching.unlabelled import load_unlabelled, unlabelled_digest, with_unlabelled
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.soft_label_store import SoftLabelStore
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
    store = OOFStore(Path(settings.tracking.root))
    if store.find(corpus.folds) is None and not is_file_name(teacher.source):  # nothing is left behind
        raise StoreError(
            f"{store.root}: no member was trained on these pairs in these folds; the store holds{store.contents()}",
            "the data and the folds of the teacher's members",
            "give data and folds the settings that the teacher was trained with, or train and blend its members first",
        )
    split = store.put_folds(corpus.folds)
    folders = (*config.backbone_folders(settings.backbones), split.root / "backbones")
    if teacher.unlabelled:
        corpus = with_unlabelled(corpus, load_unlabelled(settings, teacher.unlabelled, corpus))
    blend = split.blend_path.stat().st_mtime_ns if split.has_blend() else None
    return _taught(corpus, split.path, OmegaConf.to_yaml(settings.teacher, resolve=True), folders, blend)


@lru_cache(maxsize=1)
def _taught(corpus: Corpus, split: Path, teacher: str, backbones: tuple[Path, ...], blend: int | None) -> Corpus:
    """As `teach`; the jobs of a sweep in one process share it. `blend` tells one stored blend from another."""
    settings = config.build(OmegaConf.create(teacher), TeacherConfig)
    soft_labels = make_soft_labels(corpus, SplitStore(split), settings, backbones)
    log.info("taught by %s, scheme %s, digest %s", settings.source, settings.scheme.name, short(soft_labels.digest))
    return replace(corpus, soft_labels=soft_labels)


def make_soft_labels(
    corpus: Corpus, split: SplitStore, settings: TeacherConfig, backbones: Sequence[Path] = ()
) -> SoftLabels:
    """Return the teacher's probabilities of all pairs of the corpus, of which the last may have no votes.

    Held-out rows have none, nor have extra ones, which the teachers were trained on. Errors as in `teach`.
    """
    n, voted = len(corpus.folds.ids), int((corpus.pairs.labels != NO_VOTE).sum())
    pairs, unlabelled = corpus.pairs, corpus.pairs.take(np.arange(voted, len(corpus.pairs))).unlabelled()
    teacher = find_teacher(split, str(settings.source), pairs.take(np.arange(n)))
    if not teacher.specs and (settings.scheme is TeacherScheme.nested or len(unlabelled)):
        setting = "teacher.scheme=nested" if settings.scheme is TeacherScheme.nested else "teacher.unlabelled"
        came = f"{setting} with teacher.source={settings.source}, of which the store has no models"
        raise ConfigError(came, "members that were trained here", "name another source, or set teacher.scheme=oof")
    stacks: Mapping[int, OOFStack] = {}
    if settings.scheme is TeacherScheme.nested:
        with_votes = replace(corpus, pairs=pairs.take(np.arange(voted)), group=corpus.group[:voted])
        stacks = NestedTeachers(with_votes, split, backbones).stacks(teacher.specs)
    texts = unlabelled_digest(unlabelled) if len(unlabelled) else None
    models = [[_content(split, spec, fold) for fold in range(split.k)] for spec in teacher.specs] if texts else []
    inputs = digest([settings.scheme.name, teacher.inputs_digest(stacks), texts, models])
    compute = partial(_probabilities, teacher, split, stacks, unlabelled, backbones)
    values = _computed_once(SoftLabelStore(split, inputs, n + len(unlabelled)), compute)
    extra = np.full((voted - n, values.shape[2]), np.nan)
    by_fold = {fold: np.concatenate([rows[:n], extra, rows[n:]]) for fold, rows in enumerate(values)}
    tuned = any(info.tuned_on_oof for info in teacher.stack.members)
    return SoftLabels(by_fold, voted, settings, texts, tuned)


def _probabilities(
    teacher: Teacher, split: SplitStore, stacks: Mapping[int, OOFStack], unlabelled: Pairs, backbones: Sequence[Path]
) -> Floats:
    """Return by fold the teacher's probabilities of the rows of the folds and of those without votes, (k + 1, m, K)."""
    labels = teacher.nested_labels(split, stacks) if stacks else teacher.labels(split)
    values = np.stack([labels[fold].probabilities for fold in sorted(labels)])
    if not len(unlabelled):
        return values
    blenders = {fold: own.blender for fold, own in labels.items()}
    more = predict_unlabelled(split, teacher.specs, blenders, unlabelled, backbones)
    return np.concatenate([values, np.stack([more[fold] for fold in sorted(more)])], axis=1)


def _computed_once(store: SoftLabelStore, compute: Callable[[], Floats]) -> Floats:
    """Return what the store has, or compute and keep it; one process at a time computes."""
    values = _stored(store)
    if values is not None:
        return values
    with wait_for(store.lease, {"split": store.split.path.name, "soft_labels": store.path.stem}):
        values = _stored(store)  # which another process may have computed
        if values is None:
            values = compute()
            try:
                store.put(values)
            except OSError as error:
                log.warning("soft labels are not kept on disk (%s); the next process computes them again", error)
        return values


def _stored(store: SoftLabelStore) -> Floats | None:
    try:
        return store.get()
    except StoreError as error:
        log.warning("%s; computing it again", error.came)
        return None


def _content(split: SplitStore, spec: MemberSpec, fold: int) -> str | None:
    """Return the digest of the content of a fold run; None where the run is missing, since no rule may use it."""
    try:
        return split.record(spec, fold).content
    except StoreError:
        return None
