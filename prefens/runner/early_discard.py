"""Discarding, after its first fold, a member that can't help the blend of the members so far."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from prefens.core.errors import StoreError
from prefens.core.fold_run import FoldPredictions
from prefens.ensemble.complementarity import MarginalGain, marginal_gain
from prefens.store.assemble import make_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore
from prefens.store.verdict import Verdict, read_verdict, write_verdict

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EarlyDiscard:
    """Discards members that add nothing to the complete members of a part of the store.

    The numbers of a member's first finished fold are written beside its folds, and are judged anew by each command's
    own threshold, so that the same command discards the same members whatever has been trained since.

    Attributes
    ----------
    split : SplitStore
        That part of the store.
    threshold : float
        The gain in nats that a member must have within reach, above 0; see `ensemble.complementarity.marginal_gain`.
    """

    split: SplitStore
    threshold: float

    def discards(self, spec: MemberSpec) -> bool:
        """Whether the member is discarded; False while it has no finished fold or no rivals."""
        stored = read_verdict(self.split.member_dir(spec.name))
        verdict = self._compare(spec) if stored is None else stored
        if verdict is None:
            return False
        helps = MarginalGain(verdict.gain, verdict.low, verdict.high).helps(self.threshold)
        if stored is None or stored.discarded == helps:
            verdict = replace(verdict, threshold=self.threshold, discarded=not helps, time=time.time())
            write_verdict(self.split.member_dir(spec.name), verdict)
            log.info("%s is %s: %s", spec.name, "kept" if helps else "discarded early", verdict.comparison)
        return not helps

    def _compare(self, spec: MemberSpec) -> Verdict | None:
        """Compare the member's first finished fold; None without one, without rivals, or where no fold is left."""
        folds = range(self.split.folds.k)
        own = {fold: run for fold in folds if (run := self._read(spec, fold)) is not None}
        if not 0 < len(own) < len(folds):
            return None
        rivals = {}
        for name in self.split.member_names():
            with suppress(StoreError):  # what is damaged is left to whoever trains it
                other = self.split.member(name)
                if name != spec.name and not other.is_student and (runs := self._read_all(other)) is not None:
                    rivals[other.info] = runs
        if not rivals:
            return None
        fold = min(own)
        margin = marginal_gain(make_stack(self.split.folds, rivals)[0], own[fold].probabilities, fold)
        gains = margin.gain, margin.low, margin.high
        return Verdict(*gains, fold, [info.name for info in rivals], self.threshold, discarded=False, time=time.time())

    def _read(self, spec: MemberSpec, fold: int) -> FoldPredictions | None:
        """Return the probabilities of a fold run, or None where they are not there, or damaged."""
        try:
            return self.split.predictions(spec, fold)
        except StoreError:
            return None

    def _read_all(self, spec: MemberSpec) -> list[FoldPredictions] | None:
        """Return the probabilities of all fold runs of a member, or None where one is not finished."""
        runs = []
        for fold in range(self.split.folds.k):
            if (run := self._read(spec, fold)) is None:
                return None
            runs.append(run)
        return runs
