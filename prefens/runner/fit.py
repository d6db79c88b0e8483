"""Fitting a member on a fold's training rows, and predicting what was held out."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from prefens.core import resources
from prefens.core.fold_run import FoldPredictions, RunKey
from prefens.core.metrics import accuracy, log_loss
from prefens.core.types import Fold
from prefens.data.corpus import Corpus
from prefens.members.base import Context, FitReport, Member
from prefens.store.run_record import RunResult


def fit_fold(
    corpus: Corpus, fold: Fold, member: Member, key: RunKey, root: Path, checkpoint: Path | None = None
) -> tuple[FitReport, int]:
    """Fit a member on a fold's training rows, all randomness from the run's seed; return how many they are, too."""
    rows = corpus.train_rows(fold)
    train, targets = corpus.training_pairs(fold, rows)
    inner = corpus.inner_folds(rows, train.labels, key.random_seed)
    context = Context(key.random_seed, inner, root / "cache", checkpoint, key.digest, targets)
    return member.fit(train, corpus.pairs.take(fold.valid), context), len(rows)


def fit_and_predict(
    corpus: Corpus, fold: Fold, member: Member, key: RunKey, root: Path, checkpoint: Path
) -> tuple[FoldPredictions, RunResult]:
    """Fit a member on a fold; return its predictions of the held-out rows, and what the fold run amounts to.

    A full fit, whose fold has no rows, is scored on the hold-out, where there is one.
    """
    started = time.perf_counter()
    report, train_rows = fit_fold(corpus, fold, member, key, root, checkpoint)
    n = len(fold.valid)
    unseen = corpus.pairs.take(np.concatenate([fold.valid, fold.holdout]))
    probabilities = member.predict_proba(unseen) if len(unseen) else np.empty((0, corpus.folds.n_outcomes))
    scored, labels = (probabilities[:n], unseen.labels[:n]) if n else (probabilities, unseen.labels)
    predictions = FoldPredictions(key, unseen.ids[:n], probabilities[:n], unseen.ids[n:], probabilities[n:])
    result = RunResult(
        log_loss=log_loss(scored, labels) if len(labels) else None,
        accuracy=accuracy(scored, labels) if len(labels) else None,
        seconds=report.seconds + time.perf_counter() - started,
        device=report.device,
        threads=resources.thread_count(),
        train_rows=train_rows,
        valid_rows=n,
        metadata={name: value for name, value in report.metrics.items() if value == value},  # NaN is no JSON
        curves={name: list(curve) for name, curve in report.curves.items()},
    )
    return predictions, result
