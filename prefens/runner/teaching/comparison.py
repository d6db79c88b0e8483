"""Comparing a trained student with its teacher: on honest rows, and by what they cost."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prefens.core.errors import PrefensError
from prefens.core.fold_run import FoldPredictions
from prefens.core.teaching.soft_labels import TeacherScheme
from prefens.core.types import Floats, Pairs
from prefens.data.corpus import Corpus
from prefens.ensemble.distillation import HELD_OUT, OUT_OF_FOLD, Comparison, Cost, Distillation
from prefens.inference.fold_models import model_folders
from prefens.inference.predictor import Predictor
from prefens.runner.teaching.settings import TeacherConfig
from prefens.runner.teaching.teacher import Teacher, find_teacher
from prefens.store.assemble import make_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

log = logging.getLogger(__name__)

WARM_UP = 8  # pairs that are predicted before the clock starts: what is read and built once does not count


def compare_with_teacher(
    corpus: Corpus,
    split: SplitStore,
    spec: MemberSpec,
    settings: TeacherConfig,
    backbones: Sequence[Path] = (),
    cost_pairs: int = 0,
) -> Distillation:
    """Return a student beside its teacher.

    Parameters
    ----------
    corpus : Corpus
        What the student learned from.
    split : SplitStore
        The part of the store that both are in.
    spec : MemberSpec
        The student, whose folds are all stored.
    settings : TeacherConfig
        The settings that it learned by.
    backbones : sequence of Path
        Folders of backbone files that go before the installed ones.
    cost_pairs : int
        How many pairs both predict to measure what they cost; 0 for none.

    Raises
    ------
    StoreError
        Files of either are missing or damaged.
    """
    pairs = corpus.pairs.take(np.arange(len(split.folds.ids)))
    teacher = find_teacher(split, str(settings.source), pairs)
    compared: list[Comparison | None] = []
    if settings.scheme is TeacherScheme.nested:
        compared.append(_out_of_fold(split, spec, teacher))
    if not split.folds.scored.all():
        compared.append(_held_out(split, spec, teacher))
    sample = pairs.take(np.arange(min(cost_pairs, len(pairs)))).unlabelled()
    taught_by = "best" if settings.source == "blend" else str(settings.source)
    return Distillation(
        spec.name,
        split.contents(spec),
        str(settings.source),
        [info.name for info in teacher.stack.members],
        settings.scheme.name,
        [each for each in compared if each is not None],
        _cost_of(split, spec.name, backbones, sample),
        _cost_of(split, taught_by, backbones, sample) if teacher.specs else None,
    )


def _out_of_fold(split: SplitStore, spec: MemberSpec, teacher: Teacher) -> Comparison:
    runs = [split.predictions(spec, fold) for fold in range(split.folds.k)]
    stack, _ = make_stack(split.folds, {spec.info: runs})
    keep = np.isin(stack.folds.ids, teacher.stack.folds.ids)
    return Comparison(OUT_OF_FOLD, teacher.stack.folds, stack.probabilities[0][keep], teacher.honest)


def _held_out(split: SplitStore, spec: MemberSpec, teacher: Teacher) -> Comparison | None:
    """Return both on the held-out rows; None for a teacher without predictions of them."""
    probabilities = teacher.on_holdout()
    if probabilities is None:
        return None
    folds = split.folds.rows(~split.folds.scored)
    own = [split.k] if split.has_full(spec.name) else range(split.k)  # as it predicts
    runs: list[FoldPredictions] = [split.predictions(spec, fold) for fold in own]
    student: Floats = np.mean([run.holdout_probabilities for run in runs], axis=0)
    return Comparison(HELD_OUT, folds, student, probabilities)


def _cost_of(split: SplitStore, method: str, backbones: Sequence[Path], pairs: Pairs) -> Cost | None:
    """Return what predictions by a method cost; None where it has no models, or misses files of backbones."""
    try:
        return cost_of(Predictor.of_store(split, method, backbones), pairs)
    except PrefensError as error:
        log.warning("what predictions by %s cost is not measured: %s", method, error.came)
        return None


def cost_of(predictor: Predictor, pairs: Pairs) -> Cost:
    """Measure what a predictor costs on some pairs, whose features are computed anew."""
    folders = [folder for spec in predictor.specs() for folder in model_folders(predictor.store, spec, predictor.folds)]
    size = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()) / 1e6
    if not len(pairs):
        return Cost(len(folders), size)
    predictor.load_all()
    predictor.predict_pairs(pairs.take(np.arange(min(WARM_UP, len(pairs)))).unlabelled())
    started = time.perf_counter()
    predictor.predict_pairs(pairs)
    seconds = (time.perf_counter() - started) * 1000 / len(pairs)
    predictor.loaded.clear()
    return Cost(len(folders), size, seconds, len(pairs))
