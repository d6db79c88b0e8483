"""Training a member fold by fold: lease the fold run, train it, record what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prefens.core import shutdown
from prefens.core.errors import CollapseError
from prefens.core.files import recover, remove_stale_tmp
from prefens.core.fold_run import RunKey
from prefens.core.leases.leases import POLL_SECONDS, Busy, acquire, fold_lease, is_held
from prefens.data.corpus import Corpus
from prefens.members.base import Member
from prefens.members.training.distributed import broadcast
from prefens.runner.early_discard import EarlyDiscard
from prefens.runner.fit import fit_and_predict
from prefens.runner.results import FoldResult
from prefens.runner.sync import sync_fold, sync_member
from prefens.store.failures import note_failure
from prefens.store.fold_status import FoldStatus, read_fold_status
from prefens.store.member_spec import MemberSpec
from prefens.store.run_record import RunResult
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import Tracker
from prefens.store.verdict import remove_verdict

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trainer:
    """Trains fold runs of one corpus.

    Attributes
    ----------
    corpus : Corpus
        Pairs and folds.
    split : SplitStore
        Where results go.
    tracker : Tracker
        MLflow, or nothing.
    root : Path
        The tracking root, whose cache/, checkpoints/ and locks/ are shared by all processes.
    force : bool
        Train again what is finished.
    early_discard : float or None
        Gain in nats, within reach of the blend, without which a member is discarded after its first fold; None: never.
    """

    corpus: Corpus
    split: SplitStore
    tracker: Tracker
    root: Path
    force: bool = False
    early_discard: float | None = None

    def train_member(self, spec: MemberSpec, make: Callable[[], Member], folds: Sequence[int]) -> list[FoldResult]:
        """Train the folds of a member that are not finished; return a result per finished fold.

        Folds that another process trains are waited for, after all others.

        Raises
        ------
        Stopped
            Where this process was asked to stop.
        CollapseError
            Where one of the folds has collapsed before: it would do so again, and nothing is trained.
        """
        self.split.put_member(spec)
        if self.corpus.soft_labels is not None and self.corpus.soft_labels.tuned_on_oof:
            self.split.mark_tuned(spec)
        remove_stale_tmp(self.split.member_dir(spec.name))
        if self.early_discard is None or self.force:
            remove_verdict(self.split.member_dir(spec.name))
        statuses = {fold: read_fold_status(self.split, spec, fold) for fold in folds}
        if not self.force:
            self._refuse_collapsed(spec, statuses)
        stored = {fold: run for fold, status in statuses.items() if (run := status.settled) is not None}
        results = {} if self.force else {fold: self._result(spec, fold, run) for fold, run in stored.items()}
        left = [fold for fold in folds if fold not in results]
        while left:
            for fold in tuple(left):
                with suppress(Busy):
                    if fold in stored or not self._discards(spec):
                        results[fold] = self._train_leased(spec, make, fold)
                    left.remove(fold)
            if left:
                log.info(
                    "%s: another process trains %s; waiting for it",
                    spec.name,
                    ", ".join(map(self.split.part_name, left)),
                )
                self._await(spec, left)
        self.tracker.attempt(partial(sync_member, self.split, spec))
        return [results[fold] for fold in folds if fold in results]

    def train_full(self, spec: MemberSpec, make: Callable[[], Member]) -> FoldResult | None:
        """Train a member on all scored rows at once, unless that is finished; None where it was discarded early.

        The one model predicts alone. No row of the hold-out is trained on; errors as in `train_member`.
        """
        return next(iter(self.train_member(spec, make, [self.split.k])), None)

    def _discards(self, spec: MemberSpec) -> bool:
        return self.early_discard is not None and EarlyDiscard(self.split, self.early_discard).discards(spec)

    def _await(self, spec: MemberSpec, folds: Sequence[int]) -> None:
        """Wait until one of the folds has another holder than a living process."""
        while all(is_held(fold_lease(self.root, spec.key(fold))) for fold in folds):
            shutdown.check(lossless=True)
            time.sleep(POLL_SECONDS)
        time.sleep(POLL_SECONDS)

    def _train_leased(self, spec: MemberSpec, make: Callable[[], Member], fold: int) -> FoldResult:
        """Train a fold run under its lease, unless another process has finished it; `Busy` where one works on it."""
        key = spec.key(fold)
        work = {"member": spec.name, "fold": fold, "split": self.split.path.name, "member_digest": key.member_digest}
        with acquire(fold_lease(self.root, key), work) as dead:
            if dead is not None:
                log.warning("%s %s: taken over, %s has died", spec.name, self.split.part_name(fold), dead.where)
            recover(self.split.fold_dir(spec.name, fold))
            status = read_fold_status(self.split, spec, fold)
            if status.finished is not None and not self.force:
                self._checkpoint(key).unlink(missing_ok=True)  # its process was killed after it had stored the fold
                return self._result(spec, fold, status.finished)
            if status.damage is not None:
                log.warning("%s %s: %s; training it again", spec.name, self.split.part_name(fold), status.damage)
            return self._result(spec, fold, self._train(spec, make(), fold), trained=True)

    def _train(self, spec: MemberSpec, member: Member, fold: int) -> RunResult:
        """Train a fold run whose lease this process has, and record what came of it."""
        shutdown.check()
        started, key, part = time.time(), spec.key(fold), self.split.part_name(fold)
        self.tracker.attempt(lambda tracker: tracker.start_fold(spec, key, started, part))
        checkpoint = self._checkpoint(key)
        recover(checkpoint)
        with self._recording_failure(spec, fold, started):
            broadcast(fold)  # the others, where there are any, help with the same
            try:
                predictions, result = fit_and_predict(
                    self.corpus, self.corpus.folds.split(fold), member, key, self.root, checkpoint
                )
            except CollapseError:
                checkpoint.unlink(missing_ok=True)  # of weights that are no good
                raise
        with shutdown.defer(), self._recording_failure(spec, fold, started):
            self.split.put(spec, predictions, result, member.save, started)
            shutdown.note_kept()
            checkpoint.unlink(missing_ok=True)
            self.tracker.attempt(partial(sync_fold, self.split, spec, fold))
        return result

    def _checkpoint(self, key: RunKey) -> Path:
        return self.root / "checkpoints" / f"{key.digest[:16]}.pt"

    @contextmanager
    def _recording_failure(self, spec: MemberSpec, fold: int, started: float) -> Iterator[None]:
        """Record an error in the store and in MLflow; what goes wrong there hides no error."""
        try:
            yield
        except BaseException as error:
            try:
                if isinstance(error, Exception):
                    note_failure(self.split.fold_dir(spec.name, fold), error, started)
                self.tracker.attempt(partial(sync_fold, self.split, spec, fold))
            except Exception as other:  # a full disk refuses both
                log.warning("the failure of %s %s is not noted: %s", spec.name, self.split.part_name(fold), other)
            raise

    def _result(self, spec: MemberSpec, fold: int, run: RunResult, trained: bool = False) -> FoldResult:
        """Return the row of a finished fold run, and log its score."""
        full = fold == self.split.k
        result = FoldResult.of(spec, None if full else fold, run, self.split.is_tuned(spec), trained)
        loss = "no hold-out" if run.log_loss is None else f"{'hold-out ' if full else ''}log loss {run.log_loss:.4f}"
        log.info("%s %s: %s%s", spec.name, self.split.part_name(fold), loss, "" if trained else " (was finished)")
        return result

    def _refuse_collapsed(self, spec: MemberSpec, statuses: Mapping[int, FoldStatus]) -> None:
        for fold, status in statuses.items():
            if status.failure is not None and status.failure.collapsed:
                raise CollapseError(
                    f"{spec.name} {self.split.part_name(fold)} has collapsed: {status.failure.error.splitlines()[0]}",
                    "a training that learns",
                    "change its settings or its seed; force=true trains it again",
                )
