"""Training a member fold by fold: fit, predict what was held out, store, track."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prefens.core import resources, shutdown
from prefens.core.errors import CollapseError
from prefens.core.files import recover, remove_stale_tmp
from prefens.core.fold_run import FoldPredictions, RunKey
from prefens.core.leases import POLL_SECONDS, Busy, acquire, fold_lease, holder_of, is_live
from prefens.core.metrics import accuracy, log_loss
from prefens.core.types import Fold
from prefens.data.corpus import Corpus
from prefens.members.base import Context, FitReport, Member
from prefens.members.training.distributed import broadcast
from prefens.runner import early_discard
from prefens.runner.early_discard import Race
from prefens.runner.sync import sync_fold, sync_member
from prefens.store.failures import failure_of, note_failure
from prefens.store.member_spec import MemberSpec
from prefens.store.run_record import RunResult
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import Tracker

log = logging.getLogger(__name__)


def fit_fold(
    corpus: Corpus,
    fold: Fold,
    member: Member,
    key: RunKey,
    root: Path,
    checkpoint: Path | None = None,
) -> FitReport:
    """Fit a member on a fold's training rows, with all randomness from the seed of the fold run."""
    rows = corpus.train_rows(fold)
    inner = corpus.inner_folds(rows, key.random_seed)
    context = Context(key.random_seed, inner, root / "cache", checkpoint, key.digest)
    return member.fit(corpus.pairs.take(rows), corpus.pairs.take(fold.valid), context)


@dataclass(frozen=True)
class Trainer:
    """Trains fold runs of one corpus.

    Attributes
    ----------
    root : the tracking root, whose cache/, checkpoints/ and locks/ are shared by all processes.
    force : train again what is finished.
    race : gain in nats, within reach of the blend, without which a member is given up after its first fold; or None.
    """

    corpus: Corpus
    split: SplitStore
    tracker: Tracker
    root: Path
    force: bool = False
    race: float | None = None

    def train_member(self, spec: MemberSpec, make: Callable[[], Member], folds: Sequence[int]) -> list[dict[str, Any]]:
        """Train the folds of a member that are not finished; return one row of results per finished fold.

        Folds that another process trains are waited for, after all others. `Stopped` where this process was asked to.
        CollapseError, and nothing is trained, where one of them has collapsed before: it would do so again.
        """
        self.split.put_member(spec)
        if not self.force:
            self._refuse_collapsed(spec, folds)
        remove_stale_tmp(self.split.member_dir(spec.name))
        if self.race is None or self.force:
            early_discard.forget(self.split, spec)
        rows: dict[int, dict[str, Any]] = {}
        left = list(folds)
        while left:
            for fold in tuple(left):
                if self._given_up(spec, fold):
                    left.remove(fold)
                    continue
                with contextlib.suppress(Busy):
                    rows[fold] = self._train_fold(spec, make, self.corpus.folds.split(fold))
                    left.remove(fold)
            if left:
                log.info("%s: another process trains folds %s; waiting for it", spec.name, left)
                self._await(spec, left)
        self.tracker.attempt(partial(sync_member, self.split, spec))
        return [rows[fold] for fold in folds if fold in rows]

    def _given_up(self, spec: MemberSpec, fold: int) -> bool:
        """Whether a fold run is not worth its time: not finished, and its member has lost its race."""
        if self.race is None or self._settled(spec, fold):
            return False
        return Race(self.split, self.race).lost(spec)

    def _refuse_collapsed(self, spec: MemberSpec, folds: Sequence[int]) -> None:
        for fold in folds:
            failure = failure_of(self.split.fold_dir(spec.name, fold))
            if failure is not None and failure.collapsed and not self.split.has(spec, fold):
                raise CollapseError(
                    f"{spec.name} fold {fold} has collapsed: {failure.error.splitlines()[0]}",
                    "a training that learns",
                    "change its settings or its seed; force=true trains it again",
                )

    def _await(self, spec: MemberSpec, folds: Sequence[int]) -> None:
        """Wait until one of the folds has another holder than a living process."""
        leases = [self._lease(spec, fold) for fold in folds]
        while all((holder := holder_of(lease)) and is_live(lease, holder) for lease in leases):
            shutdown.check()
            time.sleep(POLL_SECONDS)
        time.sleep(POLL_SECONDS)

    def _lease(self, spec: MemberSpec, fold: int) -> Path:
        return fold_lease(self.root, spec.key(fold))

    def _train_fold(self, spec: MemberSpec, make: Callable[[], Member], fold: Fold) -> dict[str, Any]:
        trained = False
        if self.force or not self._settled(spec, fold.index):
            about = {"member": spec.name, "fold": fold.index, "split": self.split.path.name}
            with acquire(self._lease(spec, fold.index), about) as dead:
                if dead is not None:
                    log.warning("%s fold %d: taken over, %s has died", spec.name, fold.index, dead.where)
                recover(self.split.fold_dir(spec.name, fold.index))
                trained = self._complete(spec, make, fold)
        record = self.split.record(spec, fold.index)
        shown = {name: getattr(record, name) for name in ("log_loss", "accuracy", "seconds")}
        done = "" if trained else " (was finished)"
        log.info("%s fold %d: log loss %.4f%s", spec.name, fold.index, record.log_loss, done)
        named = {"member": spec.name, "backbone": spec.backbone, "seed": spec.seed, "fold": fold.index}
        named["tuned_on_oof"] = self.split.is_tuned(spec)
        return {**named, **shown, "trained": trained}

    def _settled(self, spec: MemberSpec, fold: int) -> bool:
        """Whether nothing is left to do for a fold run: stored, whole, and nobody died over it."""
        if self._lease(spec, fold).exists() or not self.split.fold_dir(spec.name, fold).exists():
            return False
        return self.split.damage(spec, fold) is None and self.split.has(spec, fold)

    def _complete(self, spec: MemberSpec, make: Callable[[], Member], fold: Fold) -> bool:
        """Train a fold run whose lease this process has, unless it is finished; whether it was trained."""
        there = self.split.fold_dir(spec.name, fold.index).exists()
        damage = self.split.damage(spec, fold.index) if there else None
        if damage is not None:
            log.warning("%s fold %d: %s; training it again", spec.name, fold.index, damage)
        if self.force or damage is not None or not self.split.has(spec, fold.index):
            self._run(spec, make(), fold)
            return True
        return False

    def _run(self, spec: MemberSpec, member: Member, fold: Fold) -> None:
        shutdown.check()
        started, key = time.time(), spec.key(fold.index)
        self.tracker.attempt(lambda tracker: tracker.start_fold(spec, key, started))
        checkpoint = self.root / "checkpoints" / f"{key.digest[:16]}.pt"
        recover(checkpoint)
        with self._failing(spec, fold.index, started):
            try:
                predictions, result = self._fit(spec, member, fold, checkpoint)
            except CollapseError:
                checkpoint.unlink(missing_ok=True)  # of weights that are no good
                raise
        with shutdown.defer(), self._failing(spec, fold.index, started):
            self.split.put(spec, predictions, result, member.save, started)
            checkpoint.unlink(missing_ok=True)
            self._sync(spec, fold.index)

    def _sync(self, spec: MemberSpec, fold: int) -> None:
        self.tracker.attempt(partial(sync_fold, self.split, spec, fold))

    def _fit(self, spec: MemberSpec, member: Member, fold: Fold, checkpoint: Path) -> tuple[FoldPredictions, RunResult]:
        key, started = spec.key(fold.index), time.perf_counter()
        pairs = self.corpus.pairs
        valid, n = pairs.take(fold.valid), len(fold.valid)
        unseen = pairs.take(np.concatenate([fold.valid, fold.holdout]))
        broadcast(fold.index)  # the others, where there are any, help with the same
        report = fit_fold(self.corpus, fold, member, key, self.root, checkpoint)
        probabilities = member.predict_proba(unseen)
        predictions = FoldPredictions(key, unseen.ids[:n], probabilities[:n], unseen.ids[n:], probabilities[n:])
        return predictions, RunResult(
            log_loss=log_loss(predictions.probabilities, valid.labels),
            accuracy=accuracy(predictions.probabilities, valid.labels),
            seconds=report.seconds + time.perf_counter() - started,
            device=report.device,
            threads=resources.thread_count(),
            train_rows=len(self.corpus.train_rows(fold)),
            valid_rows=len(valid),
            metadata={name: value for name, value in report.metrics.items() if value == value},  # NaN is no JSON
            curves={name: list(curve) for name, curve in report.curves.items()},
        )

    @contextmanager
    def _failing(self, spec: MemberSpec, fold: int, started: float) -> Iterator[None]:
        """Note an error in the store and in MLflow; what goes wrong there hides no error."""
        try:
            yield
        except BaseException as error:
            try:
                if isinstance(error, Exception):
                    note_failure(self.split.fold_dir(spec.name, fold), error, started)
                self._sync(spec, fold)
            except Exception as other:  # a full disk refuses both
                log.warning("the failure of %s fold %d is not noted: %s", spec.name, fold, other)
            raise
