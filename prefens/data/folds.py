"""Folds that don't leak: grouped by normalised prompt and stratified by outcome, equal on every machine."""

from __future__ import annotations

import hashlib
import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import ConfigError
from prefens.core.hashing import digest
from prefens.core.types import HOLDOUT, Floats, Folds, Ints, Outcome, Pairs, Strings, n_outcomes

log = logging.getLogger(__name__)


class Scheme(Enum):
    """How rows are kept together: by normalised prompt, or not at all (which leaks shared prompts)."""

    stratified_group = "stratified_group"
    stratified = "stratified"


@dataclass(frozen=True)
class FoldSettings:
    """scheme; k folds (2 or more); seed of the assignment; holdout, the share in [0, 0.5] of rows kept out of all."""

    scheme: Scheme = Scheme.stratified_group
    k: int = 5
    seed: int = 0
    holdout: float = 0.0

    def __post_init__(self) -> None:
        if not 2 <= self.k <= 100:
            raise ConfigError(f"folds.k={self.k}", "2 to 100 folds", "set folds.k=5, the default")
        if not 0.0 <= self.holdout <= 0.5:
            raise ConfigError(f"folds.holdout={self.holdout}", "a share from 0 to 0.5", "set folds.holdout=0.1, say")


def prompt_groups(pairs: Pairs) -> Strings:
    """Return the prompt group of each pair, (n,) of 16 hex digits.

    Prompts that are equal after Unicode compatibility, case, space and punctuation folding share a
    group, all turns taken together; a prompt of nothing but punctuation is compared as it stands.
    """

    def group(turns: Sequence[str]) -> str:
        text = unicodedata.normalize("NFKC", " ".join(turns)).casefold()
        folded = re.sub(r"[\W_]+", "", text) or " ".join(text.split())
        return hashlib.sha256(folded.encode()).hexdigest()[:16]

    return np.array([group(turns) for turns in pairs.prompt], dtype=object)


def data_digest(pairs: Pairs) -> str:
    """Return the digest of labelled pairs' ids, texts, labels and known truth, whatever the order of the rows."""
    return hashlib.sha256("".join(sorted(row_digests(pairs))).encode()).hexdigest()


def row_digests(pairs: Pairs) -> list[str]:
    """Return the digest of each labelled pair."""
    truth = [None] * len(pairs) if pairs.truth is None else pairs.truth.tolist()
    columns = zip(
        pairs.ids, pairs.prompt, pairs.response_a, pairs.response_b, pairs.labels.tolist(), truth, strict=True
    )
    return [digest(row) for row in columns]


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """All that splitting and scoring n rows need: texts may be elsewhere.

    Attributes
    ----------
    ids : (n,) of str; label : (n,) int8; group : (n,) of str, the prompt group.
    data_digest : the digest of what was read; truth : as in `Pairs`.
    grouped : False where prompts are not known and each row is a group of its own.
    """

    ids: Strings
    label: NDArray[np.int8]
    group: Strings
    data_digest: str
    truth: Floats | None = None
    grouped: bool = True


def labelled_rows(pairs: Pairs) -> LabelledRows:
    """Return labelled pairs without their texts."""
    return LabelledRows(pairs.ids, pairs.labels, prompt_groups(pairs), data_digest(pairs), pairs.truth)


def make_folds(pairs: Pairs, settings: FoldSettings) -> Folds:
    """Assign labelled pairs to folds; see `split_rows`."""
    return split_rows(labelled_rows(pairs), settings)


def split_rows(rows: LabelledRows, settings: FoldSettings) -> Folds:
    """Assign rows to folds.

    Raises ConfigError where a fold would stay empty. The assignment depends on ids, prompt groups,
    labels and settings alone, not on the order of the rows or on the machine.
    """
    group, count = rows.group, len(rows.ids)
    scheme = settings.scheme if rows.grouped else Scheme.stratified  # what it comes to, and is called
    unit = group if scheme is Scheme.stratified_group else rows.ids
    if len(set(unit)) < settings.k + 2 * (settings.holdout > 0) or len(set(group)) < 2:
        raise ConfigError(
            f"{count} pairs with {len(set(group))} different prompts",
            f"at least one prompt for each of folds.k={settings.k} folds, and two for a hold-out",
            "give more pairs, or fewer folds",
        )
    fold = np.zeros(count, dtype=np.int8)
    if settings.holdout:  # by prompt whatever the scheme: nothing may have seen its prompts
        shares = np.array([1.0 - settings.holdout, settings.holdout])
        fold[assign(rows.label, group, shares, settings.seed) == 1] = HOLDOUT
        if len(set(group[fold == HOLDOUT])) < 2:
            raise ConfigError(
                f"folds.holdout={settings.holdout} of {count} pairs holds fewer than two prompts",
                "a hold-out with at least two",
                "set folds.holdout=0.1, or 0 for none",
            )
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
    described: dict[str, Any] = asdict(settings) | {"scheme": scheme.name}
    return Folds(rows.ids, rows.label, group, fold, described, rows.data_digest, rows.truth)


def assign(label: NDArray[np.int8], unit: Strings, shares: Floats, seed: int) -> Ints:
    """Return the bucket of each row, (n,) in [0, len(shares)), such that rows of one unit stay together.

    Units of several rows go one by one, largest first, where they least disturb the balance of outcomes;
    units of one row then fill what each bucket lacks of each outcome, so that outcome counts differ from
    `shares` by about one row. Units are ordered by a hash of seed and name.
    """
    names, place = np.unique(unit.astype(str), return_inverse=True)
    counts = np.zeros((len(names), n_outcomes(label)))
    np.add.at(counts, (place, label.astype(np.int64)), 1)
    rank = np.argsort([hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in names])
    sizes = counts.sum(axis=1)
    totals = counts.sum(axis=0)
    wanted = shares[:, None] * np.append(totals, totals.sum())  # (buckets, outcomes and all)
    load = np.zeros_like(wanted)
    chosen = np.empty(len(names), dtype=np.int64)

    several = rank[sizes[rank] > 1]
    for index in several[np.argsort(-sizes[several], kind="stable")]:
        added = np.append(counts[index], sizes[index])
        # The growth of sum(load^2 / wanted), a chi-squared distance from the wanted counts.
        growth = ((2 * load + added) * added / np.maximum(wanted, 1e-9)).sum(axis=1)
        chosen[index] = int(np.argmin(growth))
        load[chosen[index]] += added

    singles = rank[sizes[rank] == 1]
    for outcome in Outcome:
        of_outcome = singles[counts[singles, outcome] == 1]
        quota = _fill(wanted[:, outcome] - load[:, outcome], wanted[:, -1] - load[:, -1], len(of_outcome))
        chosen[of_outcome] = np.repeat(np.arange(len(shares)), quota)
        load[:, outcome] += quota
        load[:, -1] += quota
    return chosen[place]


def _fill(lacking: Floats, lacking_in_all: Floats, amount: int) -> Ints:
    """Share `amount` rows out over buckets in whole numbers, to where most is lacking."""
    positive = np.clip(lacking, 0.0, None)
    scale = min(1.0, amount / positive.sum()) if positive.sum() else 0.0
    quota = np.floor(positive * scale + 1e-9).astype(np.int64)
    for _ in range(amount - int(quota.sum())):
        gap = lacking - quota
        fullest_need = gap >= gap.max() - 1.0 + 1e-9  # within a row of the neediest: let the totals decide
        quota[np.argmax(np.where(fullest_need, lacking_in_all - quota, -np.inf))] += 1
    return quota
