"""Small teachers: members that are trained and blended, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prefens.core.teaching import SoftLabels
from prefens.core.teaching.soft_labels import TeacherScheme
from prefens.core.types import Pairs
from prefens.data.corpus import Corpus
from prefens.data.folds import FoldSettings, Scheme, make_folds, prompt_groups
from prefens.ensemble.base import Blender
from prefens.ensemble.blend import make_blend
from prefens.ensemble.files.blend_files import write_blend
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.registry import method
from prefens.members.base import Member
from prefens.members.style import StyleMember
from prefens.runner.builders import recipe_of
from prefens.runner.teaching.settings import TeacherConfig
from prefens.runner.teaching.student import make_soft_labels
from prefens.runner.trainer import Trainer
from prefens.store.assemble import make_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import folds_of

K = 4
STRENGTHS = ([0.01, 0.1], [1.0])


def corpus_of(pairs: Pairs, labels: Pairs | None = None, holdout: float = 0.2) -> Corpus:
    """Return pairs with their folds; with the votes of `labels` in the places of their own, on the same folds."""
    folds = folds_of(pairs, k=K, holdout=holdout)
    order = np.argsort(pairs.ids)
    pairs = pairs.take(order)
    if labels is not None:
        folds, pairs = replace(folds, label=labels.labels), replace(pairs, label=labels.labels)
    return Corpus(pairs, folds, prompt_groups(pairs), None)


def by_source(pairs: Pairs, source: Any, label: Any = None) -> Corpus:
    """Return pairs whose folds are their sources, with other votes if wanted, on the same folds."""
    pairs = pairs.take(np.argsort(pairs.ids))
    names = np.array([f"source{number}" for number in source], dtype=object)
    folds = make_folds(pairs, FoldSettings(scheme=Scheme.source, k=None), names)
    if label is not None:
        folds, pairs = replace(folds, label=label), replace(pairs, label=label)
    return Corpus(pairs, folds, prompt_groups(pairs), None)


def train(corpus: Corpus, root: Path) -> tuple[SplitStore, list[MemberSpec]]:
    """Train two style members and blend them."""
    split = OOFStore(root).put_folds(corpus.folds)
    trainer, specs = Trainer(corpus, split, NoTracker(), root), []
    for strengths in STRENGTHS:
        make: partial[Member] = partial(StyleMember, "style", strengths=strengths)
        member = make()
        recipe = recipe_of(member) | member.identity()
        specs.append(MemberSpec("style", "style", recipe, 0, corpus.folds.data_digest, corpus.folds.digest))
        trainer.train_member(specs[-1], make, range(K))
    return split, specs


def blend(split: SplitStore, specs: Sequence[MemberSpec], *methods: Blender) -> None:
    runs = {spec.info: [split.predictions(spec, fold) for fold in range(K)] for spec in specs}
    inputs = BlendInputs(split.folds, *make_stack(split.folds, runs), split, specs)
    made = make_blend(inputs, methods or [method("soft_vote")(), method("log_pool")()], (), 20)
    split.put_blend(partial(write_blend, made))


def soft_labels(corpus: Corpus, split: SplitStore, scheme: str, source: str = "blend") -> SoftLabels:
    return make_soft_labels(corpus, split, TeacherConfig(scheme=TeacherScheme[scheme], source=source))
