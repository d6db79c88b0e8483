"""Folds that don't leak: grouped by normalized prompt and stratified by outcome, equal on every machine."""

from __future__ import annotations

import hashlib
import logging
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import ConfigError, StoreError, counted
from prefens.core.fold_run import training_rows
from prefens.core.hashing import digest, short
from prefens.core.types import HOLDOUT, Floats, Folds, Ints, Outcome, Pairs, Strings
from prefens.data.fold_settings import MOST_FOLDS
from prefens.data.fold_settings import FoldSettings as FoldSettings  # imported from here too
from prefens.data.fold_settings import Scheme as Scheme

log = logging.getLogger(__name__)


def prompt_groups(pairs: Pairs) -> Strings:
    """Return the prompt group of each pair, (n,) of 16 hex digits.

    Prompts, all turns together, share a group where they are equal without case, spaces, punctuation and Unicode
    compatibility forms. A prompt of punctuation alone is compared as it is.
    """

    def group(turns: Sequence[str]) -> str:
        text = unicodedata.normalize("NFKC", " ".join(turns)).casefold()
        folded = re.sub(r"[\W_]+", "", text) or " ".join(text.split())
        return hashlib.sha256(folded.encode()).hexdigest()[:16]

    return np.array([group(turns) for turns in pairs.prompt], dtype=object)


def data_digest(pairs: Pairs) -> str:
    """Return the digest of the ids, texts, labels and truth of labelled pairs; the order of the rows is irrelevant.

    The number of outcomes enters where it is 2.
    """
    return digest_of_rows(row_digests(pairs), pairs.n_outcomes)


def digest_of_rows(rows: Iterable[str], n_outcomes: int) -> str:
    """Return the digest of labelled rows with these digests, in any order, and of their number of outcomes."""
    ties = "" if n_outcomes == 3 else f"outcomes:{n_outcomes}"
    return hashlib.sha256(("".join(sorted(rows)) + ties).encode()).hexdigest()


def check_data(folds: Folds, digest: str | None) -> None:
    """Check that pairs are those of the folds.

    Parameters
    ----------
    folds : Folds
        The folds.
    digest : str or None
        The data digest of the pairs; None where there are no pairs to check.

    Raises
    ------
    StoreError
        Where they are other pairs.
    """
    if digest is not None and digest != folds.data_digest:
        came, expected = f"the pairs given: data {short(digest)}", f"data {short(folds.data_digest)}, as stored"
        raise StoreError(came, expected, f"correct data.path, and set data.outcomes={folds.n_outcomes} as in training")


def row_digests(pairs: Pairs) -> list[str]:
    """Return the digest of each labelled pair: n strings of 64 hex digits."""
    truth = [None] * len(pairs) if pairs.truth is None else pairs.truth.tolist()
    columns = zip(
        pairs.ids, pairs.prompt, pairs.response_a, pairs.response_b, pairs.labels.tolist(), truth, strict=True
    )
    return [digest(row) for row in columns]


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """n labelled rows without texts: what splitting and scoring need.

    Attributes
    ----------
    ids : array of str, shape (n,)
        Each once.
    label : array of int8, shape (n,)
        In the order of `Outcome`.
    group : array of str, shape (n,)
        The prompt group.
    data_digest : str
        The digest of the rows, 64 hex digits.
    truth : array, shape (n, 2, K), or None
        As in `Pairs`.
    grouped : bool
        False where prompts are unknown, so that each row is a group of its own.
    n_outcomes : int
        As in `Pairs`.
    source : array of str, shape (n,), or None
        The name of each row's source, where it is known.
    """

    ids: Strings
    label: NDArray[np.int8]
    group: Strings
    data_digest: str
    truth: Floats | None = None
    grouped: bool = True
    n_outcomes: int = 3
    source: Strings | None = None


def labelled_rows(pairs: Pairs, source: Strings | None = None) -> LabelledRows:
    """Return labelled pairs without their texts."""
    group, content, k = prompt_groups(pairs), data_digest(pairs), pairs.n_outcomes
    return LabelledRows(pairs.ids, pairs.labels, group, content, pairs.truth, n_outcomes=k, source=source)


def make_folds(pairs: Pairs, settings: FoldSettings, source: Strings | None = None) -> Folds:
    """Assign labelled pairs to folds; see `split_rows`."""
    return split_rows(labelled_rows(pairs, source), settings)


def split_rows(rows: LabelledRows, settings: FoldSettings) -> Folds:
    """Assign rows to folds.

    The assignment depends on ids, prompt groups, labels, sources and settings alone, not on the order of the rows or
    on the machine.

    Raises
    ------
    ConfigError
        Where a fold would be left without rows, or the hold-out with fewer than two prompts; for folds that are
        sources, where there are not two or more of them, or where nothing is left to train on without one.
    """
    if settings.k is None:
        return _split_by_source(rows, settings)
    group, count = rows.group, len(rows.ids)
    scheme = settings.scheme if rows.grouped else Scheme.stratified  # then both schemes are the same
    unit = group if scheme is Scheme.stratified_group else rows.ids
    if len(set(unit)) < settings.k + 2 * (settings.holdout > 0) or len(set(group)) < 2:
        raise ConfigError(
            f"{counted(count, 'pair')} with {counted(len(set(group)), 'different prompt')}",
            f"at least one prompt for each of folds.k={settings.k} folds, and two for a hold-out",
            "give more pairs, or fewer folds",
        )
    fold = _hold_out(rows, settings)
    rest = fold != HOLDOUT
    shares = np.full(settings.k, 1.0 / settings.k)
    fold[rest] = assign(rows.label[rest], unit[rest], shares, settings.seed)
    empty = set(range(settings.k)) - set(fold.tolist())
    if empty:
        raise ConfigError(
            f"no row for fold {min(empty)}: a few prompts hold most of the {count} pairs",
            f"rows in each of folds.k={settings.k} folds",
            "give fewer folds (folds.k=3), or folds=stratified if shared prompts may leak",
        )
    return _folds(rows, fold, settings, scheme=scheme.name)


def _split_by_source(rows: LabelledRows, settings: FoldSettings) -> Folds:
    """Return folds that are the sources, in the order of their names; see `split_rows`."""
    names = [] if rows.source is None else sorted(set(rows.source))
    if rows.source is None or not 2 <= len(names) <= MOST_FOLDS:
        raise ConfigError(
            f"folds=source for pairs of {counted(len(names), 'source')}: {', '.join(names)[:200] or 'none is named'}",
            f"2 to {MOST_FOLDS} sources with pairs that no source before has too",
            "give several files, 'data.path=[FILE,FILE]', or the column that says it, folds.source_column=NAME",
        )
    fold = _hold_out(rows, settings)
    number = np.searchsorted(names, rows.source.astype(str))
    fold[fold != HOLDOUT] = number[fold != HOLDOUT]
    folds = _folds(rows, fold, settings, scheme=Scheme.source.name, k=len(names), sources=names)
    for index, name in enumerate(names):
        held_out = fold == index
        left, others = int(training_rows(folds, held_out).sum()), int((folds.scored & ~held_out).sum())
        if 2 * left < others:
            log.warning("%d of %d rows are left to train on without %s: the others share prompts", left, others, name)
        if not held_out.any() or not left:
            lacks = "pair outside the hold-out" if not held_out.any() else "other source's prompt that is not its own"
            expected = "sources with pairs to score, and other prompts to train on"
            raise ConfigError(f"the source {name} has no {lacks}", expected, "leave it out, or lower folds.holdout")
    return folds


def _folds(rows: LabelledRows, fold: NDArray[np.int8], settings: FoldSettings, **values: Any) -> Folds:
    described = {"scheme": "", "k": settings.k, "seed": settings.seed, "holdout": settings.holdout} | values
    return Folds(rows.ids, rows.label, rows.group, fold, described, rows.data_digest, rows.truth, rows.n_outcomes)


def _hold_out(rows: LabelledRows, settings: FoldSettings) -> NDArray[np.int8]:
    """Return `HOLDOUT` for rows of the hold-out and 0 for others, (n,)."""
    fold = np.zeros(len(rows.ids), dtype=np.int8)
    if settings.holdout:  # by prompt in every scheme: no other row may have its prompts
        shares = np.array([1.0 - settings.holdout, settings.holdout])
        fold[assign(rows.label, rows.group, shares, settings.seed) == 1] = HOLDOUT
        if len(set(rows.group[fold == HOLDOUT])) < 2:
            raise ConfigError(
                f"folds.holdout={settings.holdout} of {len(fold)} pairs holds fewer than two prompts",
                "a hold-out with at least two",
                "set folds.holdout=0.1, or 0 for none",
            )
    return fold


def assign(label: NDArray[np.int8], unit: Strings, shares: Floats, seed: int) -> Ints:
    """Return the bucket of each row, (n,) in [0, B), such that rows of one unit share a bucket.

    Units of several rows are assigned one by one, largest first, to the bucket where they disturb the balance of
    outcomes least. Units of one row then fill what each bucket lacks of each outcome, so that the counts differ from
    the targets by about one row. Units are ordered by a hash of seed and name.

    Parameters
    ----------
    label : array of int8, shape (n,)
        In the order of `Outcome`.
    unit : array of str, shape (n,)
        Rows with the same one share a bucket.
    shares : array of float64, shape (B,)
        The share of rows of each bucket, summing to 1.
    seed : int
        Orders the units.
    """
    names, unit_index = np.unique(unit.astype(str), return_inverse=True)
    counts = np.zeros((len(names), len(Outcome)))
    np.add.at(counts, (unit_index, label.astype(np.int64)), 1)
    rank = np.argsort([hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in names])
    sizes = counts.sum(axis=1)
    totals = counts.sum(axis=0)
    target = shares[:, None] * np.append(totals, totals.sum())  # (B, K + 1): rows per outcome, and all rows
    load = np.zeros_like(target)
    bucket = np.empty(len(names), dtype=np.int64)

    several = rank[sizes[rank] > 1]
    for index in several[np.argsort(-sizes[several], kind="stable")]:
        added = np.append(counts[index], sizes[index])
        # The growth of sum(load^2 / target), a chi-squared distance from the target counts.
        growth = ((2 * load + added) * added / np.maximum(target, 1e-9)).sum(axis=1)
        bucket[index] = int(np.argmin(growth))
        load[bucket[index]] += added

    singles = rank[sizes[rank] == 1]
    for outcome in Outcome:
        of_outcome = singles[counts[singles, outcome] == 1]
        quota = _quotas(target[:, outcome] - load[:, outcome], target[:, -1] - load[:, -1], len(of_outcome))
        bucket[of_outcome] = np.repeat(np.arange(len(shares)), quota)
        load[:, outcome] += quota
        load[:, -1] += quota
    return bucket[unit_index]


def _quotas(lacking: Floats, lacking_in_all: Floats, amount: int) -> Ints:
    """Divide `amount` rows among buckets, (B,): most to where most rows of the outcome are lacking, then of all."""
    positive = np.clip(lacking, 0.0, None)
    scale = min(1.0, amount / positive.sum()) if positive.sum() else 0.0
    quota = np.floor(positive * scale + 1e-9).astype(np.int64)
    for _ in range(amount - int(quota.sum())):
        gap = lacking - quota
        fullest_need = gap >= gap.max() - 1.0 + 1e-9  # within a row of the neediest: let the totals decide
        quota[np.argmax(np.where(fullest_need, lacking_in_all - quota, -np.inf))] += 1
    return quota
