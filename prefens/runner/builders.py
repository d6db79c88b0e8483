"""From settings to what they describe: the corpus, the identity of a member on it, and the trainer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from prefens.core.errors import ConfigError
from prefens.core.hashing import identity_fields
from prefens.data.corpus import Corpus, make_corpus
from prefens.data.folds import FoldSettings
from prefens.members.base import Member
from prefens.runner import config
from prefens.runner.schemas import RecipeConfig, TrainConfig
from prefens.runner.sync import open_tracker
from prefens.runner.trainer import Trainer
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.tracking.factory import Tracking


def load_corpus(settings: RecipeConfig) -> Corpus:
    """Load data and folds; the jobs of a sweep in one process share them, and so the features of the pairs."""
    return _load(OmegaConf.to_yaml(settings.data, resolve=True), OmegaConf.to_yaml(settings.folds, resolve=True))


@lru_cache(maxsize=1)
def _load(data: str, folds: str) -> Corpus:
    source: Any = config.build(OmegaConf.create(data))
    return make_corpus(source, config.build(OmegaConf.create(folds), FoldSettings))


def member_spec(settings: RecipeConfig, corpus: Corpus) -> MemberSpec:
    """Return the member that the settings describe, on the data and folds of the corpus."""
    member = config.build_member(settings)
    member.resolve()
    recipe = recipe_of(member) | member.identity()
    if corpus.extra_digest is not None:
        recipe["extra_digest"] = corpus.extra_digest
    if corpus.soft_labels is not None:
        check_learns(member)
        recipe["teacher"] = corpus.soft_labels.recipe()
    backbone = str(settings.backbone.name).rsplit("/", 1)[-1]
    folds = corpus.folds
    return MemberSpec(backbone, recipe["kind"], recipe, settings.seed, folds.data_digest, folds.digest)


def check_learns(member: Member) -> None:
    """Refuse a member that can't be a student, with a ConfigError."""
    if not member.learns_from_teachers:
        came = (
            f"a teacher of {getattr(member, 'name', member.kind)}, a {member.kind} member that learns from votes alone"
        )
        do = "name another backbone, or leave the teacher out (python -m prefens.train)"
        raise ConfigError(came, "a member that learns from probabilities too", do)


def recipe_of(member: Member) -> dict[str, Any]:
    """Return all settings that decide the member's predictions but the seed, as JSON values.

    They are read from the member as it was built, with the types and the values that it uses: 1 and 1.0 are one recipe.
    """
    return {**member.kind_fields(), **identity_fields(member)}


def folds_to_train(settings: TrainConfig, k: int) -> list[int]:
    """Return which of the k folds to train; ConfigError for a fold, a threshold or a full fit that can't be."""
    if settings.early_discard is not None and not settings.early_discard > 0:
        came = f"early_discard={settings.early_discard}"
        raise ConfigError(came, "a gain in nats above 0, or null", "set early_discard=0.0005, say")
    if settings.fold is not None and not 0 <= settings.fold < k:
        raise ConfigError(f"fold={settings.fold}", f"0 to {k - 1}, or null for all", "correct the fold")
    if settings.full and settings.fold is not None:
        came = f"full=true and fold={settings.fold}"
        raise ConfigError(came, "one of them: full=true trains all folds, and then on all of them", "leave one out")
    return list(range(k)) if settings.fold is None else [settings.fold]


@contextmanager
def open_trainer(
    corpus: Corpus, tracking: Tracking, force: bool = False, early_discard: float | None = None
) -> Iterator[Trainer]:
    """Yield what trains fold runs of the corpus, stores them under the tracking root, and tracks them."""
    root = Path(tracking.root)
    split = OOFStore(root).put_folds(corpus.folds)
    with open_tracker(tracking) as tracker:
        yield Trainer(corpus, split, tracker, root, force, early_discard)
