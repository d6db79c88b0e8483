"""Training a member fold by fold: fit, predict what was held out, store, track."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from prefens.data.corpus import Corpus
from prefens.evaluation.metrics import accuracy, log_loss
from prefens.members.base import Context, Member
from prefens.records import Fold, FoldPredictions
from prefens.scoring import track_fold, track_member
from prefens.tracking.oof_store import MemberSpec, SplitStore
from prefens.tracking.tracker import Tracker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trainer:
    """Trains fold runs of one corpus.

    Attributes
    ----------
    root : the tracking root, whose cache/ and locks/ are shared by all processes.
    force : train again what is finished.
    """

    corpus: Corpus
    split: SplitStore
    tracker: Tracker
    root: Path
    force: bool = False

    def train_member(self, spec: MemberSpec, make: Callable[[], Member], folds: Sequence[int]) -> list[dict[str, Any]]:
        """Train the folds of a member that are not finished; return one row of results per fold."""
        self.split.put_member(spec)
        rows = [self._train_fold(spec, make, self.corpus.folds.split(fold)) for fold in folds]
        complete = self.split.finished_folds(spec) == list(range(self.corpus.folds.k))
        if complete and (any(row["trained"] for row in rows) or not self.tracker.has_member(spec)):
            track_member(self.split, self.tracker, spec)  # whichever process finished the last fold
        return rows

    def _train_fold(self, spec: MemberSpec, make: Callable[[], Member], fold: Fold) -> dict[str, Any]:
        key = spec.key(fold.index)
        with self._lock(f"fold-{key.digest[:16]}"):
            trained = self.force or fold.index not in self.split.finished_folds(spec)
            if trained:
                self._run(spec, make(), fold)
            elif not self.tracker.has_fold(key):  # trained without a tracker, or cut off before it was told
                track_fold(self.split, self.tracker, spec, fold.index, self.tracker.start_fold(spec, key))
            facts = self.split.facts(spec, fold.index)
        shown = {name: facts[name] for name in ("log_loss", "accuracy", "seconds")}
        done = "" if trained else " (was finished)"
        log.info("%s fold %d: log loss %.4f%s", spec.name, fold.index, facts["log_loss"], done)
        named = {"member": spec.name, "backbone": spec.backbone, "seed": spec.seed, "fold": fold.index}
        return {**named, **shown, "trained": trained}

    def _run(self, spec: MemberSpec, member: Member, fold: Fold) -> None:
        key = spec.key(fold.index)
        pairs, rows = self.corpus.pairs, self.corpus.train_rows(fold)
        train, valid = pairs.take(rows), pairs.take(fold.valid)
        unseen, n = pairs.take(np.concatenate([fold.valid, fold.holdout])), len(fold.valid)
        context = Context(key.entropy(), self.corpus.inner_folds(rows, key.entropy()), self.root / "cache")
        run = self.tracker.start_fold(spec, key)
        started = time.perf_counter()
        try:
            report = member.fit(train, valid, context)
            probabilities = member.predict_proba(unseen)
            predictions = FoldPredictions(key, unseen.ids[:n], probabilities[:n], unseen.ids[n:], probabilities[n:])
            facts = {
                "log_loss": log_loss(predictions.probabilities, valid.labels),
                "accuracy": accuracy(predictions.probabilities, valid.labels),
                "seconds": time.perf_counter() - started,
                "train_rows": len(rows),
                "valid_rows": len(valid),
                "facts": {name: value for name, value in report.facts.items() if value == value},  # NaN is no JSON
                "curves": {name: list(curve) for name, curve in report.curves.items()},
            }
            self.split.put(spec, predictions, facts, member.save)
            track_fold(self.split, self.tracker, spec, fold.index, run)
        except BaseException as error:
            self.tracker.fail_fold(run, error)
            raise

    @contextmanager
    def _lock(self, name: str) -> Any:
        """Keep two processes from training the same fold run at once; the second finds it finished."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{name}.lock"):
            yield
