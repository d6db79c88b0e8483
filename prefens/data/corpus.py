"""A data set that is ready for training: pairs in canonical order, extra training rows, folds and prompt groups."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import counted
from prefens.core.fold_run import is_by_source
from prefens.core.teaching import SoftLabels, Targets
from prefens.core.types import Fold, Folds, Ints, Pairs, Strings
from prefens.data.fold_settings import FoldSettings, Scheme
from prefens.data.folds import assign, data_digest, make_folds, prompt_groups, row_digests
from prefens.data.outcomes import with_outcomes
from prefens.data.sources import Source

log = logging.getLogger(__name__)

INNER_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Corpus:
    """The pairs of `folds` in its order, followed by extra rows that are only trained on.

    Attributes
    ----------
    pairs : Pairs
        n + e labelled pairs: n that are scored or held out, then e that are only trained on.
    folds : Folds
        The assignment of the first n.
    group : array of str, shape (n + e,)
        The prompt group of each pair.
    extra_digest : str or None
        The digest of the extra rows, a part of a member's recipe; None where there are none.
    soft_labels : SoftLabels or None
        A teacher's probabilities of all pairs, of which the last may have no votes; None without a teacher.
    """

    pairs: Pairs
    folds: Folds
    group: Strings
    extra_digest: str | None
    soft_labels: SoftLabels | None = None

    def train_rows(self, fold: Fold) -> Ints:
        """Return the rows to train on, (m,): those of other folds, and extra ones whose prompts are not predicted.

        Where folds are sources, rows of other folds are left out too where their prompts are predicted.
        """
        held_out = set(self.group[np.concatenate([fold.valid, fold.holdout])])
        n = len(self.folds.ids)
        rows: Ints = np.concatenate([fold.train, np.arange(n, len(self.pairs))])
        keep = np.array([self.group[row] not in held_out for row in rows], dtype=bool)
        if not is_by_source(self.folds):
            keep[: len(fold.train)] = True  # the scheme has decided which prompts may be in several folds
        name = f"fold {fold.index}" if fold.index < self.folds.k else "all folds"
        for kind, dropped in (("", ~keep[: len(fold.train)]), ("extra ", ~keep[len(fold.train) :])):
            if dropped.any():
                log.info(
                    "%s: left out %s, since their prompts are held out", name, counted(dropped.sum(), f"{kind}row")
                )
        if self.soft_labels is not None:
            keep &= self.soft_labels.learned(fold.index)[rows]
            n_voted = self.soft_labels.n_voted
            if n_voted < len(self.pairs):
                used, all_of_them = (rows[keep] >= n_voted).sum(), len(self.pairs) - n_voted
                level = logging.INFO if used else logging.WARNING  # min_confidence may leave none
                log.log(level, "%s: learns from %d of %d pairs without votes", name, used, all_of_them)
        return np.compress(keep, rows)

    def training_pairs(self, fold: Fold, rows: Ints) -> tuple[Pairs, Targets | None]:
        """Return the pairs at `rows`, those to train on, and their targets where a teacher labels some of them.

        The label of a pair without a vote is the teacher's likeliest outcome.
        """
        pairs, teacher = self.pairs.take(rows), self.soft_labels
        if teacher is None:
            return pairs, None
        label = teacher.label(fold.index, rows, pairs.labels)
        return replace(pairs, label=label), teacher.targets(fold.index, rows, label)

    def inner_folds(self, rows: Ints, label: NDArray[np.int8], seed: int) -> NDArray[np.int8]:
        """Return a fold, in [0, 5), for each training row, (m,): for choices that must not see the fold to predict."""
        grouped = self.folds.settings["scheme"] in (Scheme.stratified_group.name, Scheme.source.name)
        unit = self.group[rows] if grouped else self.pairs.ids[rows]
        shares = np.full(INNER_FOLDS, 1.0 / INNER_FOLDS)
        return assign(label, unit, shares, seed).astype(np.int8)


def make_corpus(source: Source, settings: FoldSettings) -> Corpus:
    """Load labelled pairs, sort them by id, so that the order of the file changes nothing, and split them.

    Raises
    ------
    DataError
        Where rows can't be read.
    ConfigError
        As in `split_rows`, and where `source` has no column that names the sources.
    """
    loaded = source.load(labelled=True, source_column=settings.source_column).sort()
    pairs = loaded.pairs
    parts = [with_outcomes(each, pairs.n_outcomes) for each in source.load_extra()]
    if parts:
        extra = Pairs.concatenate(parts)
        parts = [
            extra.take(np.argsort(row_digests(extra), kind="stable"))
        ]  # the order of extra files and rows changes nothing
    everything = Pairs.concatenate([pairs, *parts])
    folds = replace(make_folds(pairs, settings, loaded.metadata.get("source")), format=loaded.format)
    log.info("%d pairs, %d different prompts, %s folds", len(pairs), len(set(folds.group)), folds.k)
    extra_digest = data_digest(parts[0]) if parts else None
    return Corpus(everything, folds, prompt_groups(everything), extra_digest)
