"""The leak audit: by how much plain folds flatter a score, since rows that share a prompt are in different folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from prefens.core.bootstrap import GroupBootstrap
from prefens.core.metrics import row_losses
from prefens.core.types import Floats, Folds, Pairs, Strings
from prefens.data.folds import FoldSettings, Scheme, make_folds, prompt_groups
from prefens.members.base import Context, Member
from prefens.members.tfidf import TfidfMember
from prefens.reporting.bias.estimator import MIN_GROUPS, Estimate
from prefens.reporting.data_profile.duplicates import group_sizes
from prefens.reporting.plots import ACCENT, MUTED, new_axes
from prefens.reporting.section import Plot, ReportTable, Section

MAX_ROWS = 3000  # that are trained on and scored: whole prompts, drawn at random
ALL_ROWS, SHARED_ROWS, UNSHARED_ROWS = "all", "whose prompt another row has too", "with a prompt of their own"
NOTE = (
    "The same member, trained under two assignments of the same rows to {k} folds. It compares the n-grams of both "
    "responses, and so can learn which answer to a prompt won; the few features of the style member can do so in small "
    "data only. Nothing is tuned. Log loss in nats, with the 95 % interval of the paired difference by bootstrap over "
    "prompts."
)


def memorizing_member() -> Member:
    """Return the member of the audit: cheap, and able to recognize a prompt's answers when it meets them again."""
    return TfidfMember("leak-audit", word_ngrams=[1, 1], char_ngrams=[3, 3], bits=10, strengths=[0.1])


@dataclass(frozen=True, eq=False)
class LeakAudit:
    """Losses of one member under two kinds of folds, on n rows.

    Attributes
    ----------
    grouped : ndarray of float, shape (n,), nats
        The row losses under folds that are grouped by prompt.
    plain : ndarray of float, shape (n,), nats
        Those under plain stratified folds.
    group : ndarray of str, shape (n,)
        The prompt groups.
    k : int
        The number of folds.
    total : int
        The rows of the whole data, which the n rows were drawn from.
    """

    grouped: Floats
    plain: Floats
    group: Strings
    k: int
    total: int

    @property
    def subsets(self) -> dict[str, NDArray[np.bool_]]:
        """All rows, and those with shared and with unshared prompts where there are enough, as (n,) masks."""
        shared = group_sizes(self.group) > 1
        subsets = {ALL_ROWS: np.ones(len(shared), dtype=bool), SHARED_ROWS: shared, UNSHARED_ROWS: ~shared}
        return {name: mask for name, mask in subsets.items() if mask.all() or len(set(self.group[mask])) >= MIN_GROUPS}

    def difference(self, mask: NDArray[np.bool_], resamples: int) -> Estimate:
        """Return the mean loss under plain folds less that under grouped ones, in nats, on the rows of a mask."""
        gap = (self.plain - self.grouped)[mask]
        low, high = GroupBootstrap(self.group[mask], resamples).intervals(gap[None])[0]
        return Estimate(float(gap.mean()), float(low), float(high))


def leak_section(
    pairs: Pairs,
    make_member: Callable[[], Member] = memorizing_member,
    settings: FoldSettings | None = None,
    rows: int = MAX_ROWS,
    resamples: int = 1000,
) -> Section:
    """Train a member under grouped and under plain stratified folds, and return what that does to its score.

    Nothing is stored.

    Parameters
    ----------
    pairs : Pairs
        Labelled pairs.
    make_member : callable
        Returns a fresh member for each fold. It gets no inner folds, so that nothing is tuned.
    settings : FoldSettings or None
        Their k and seed are used.
    rows : int
        How many rows are drawn from larger data, by whole prompts.
    resamples : int
        Of prompts, for the intervals.

    Raises
    ------
    ConfigError
        There are fewer prompts than folds.
    """
    settings = settings or FoldSettings()
    sample = sample_prompts(pairs, rows, settings.seed)
    losses = {}
    for scheme in (Scheme.stratified_group, Scheme.stratified):
        folds = make_folds(sample, replace(settings, scheme=scheme, holdout=0.0))
        losses[scheme] = row_losses(out_of_fold(sample, folds, make_member), folds.label)
    grouped, plain = losses[Scheme.stratified_group], losses[Scheme.stratified]
    return _section(LeakAudit(grouped, plain, prompt_groups(sample), folds.k, len(pairs)), resamples)


def sample_prompts(pairs: Pairs, rows: int, seed: int) -> Pairs:
    """Return about `rows` of the pairs, in their order: all rows of a random prompt or none.

    They remember nothing of the other pairs, so that features are computed for them alone.
    """
    if len(pairs) <= rows:
        return pairs
    _, group, sizes = np.unique(prompt_groups(pairs).astype(str), return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    chosen = order[: int(np.searchsorted(np.cumsum(sizes[order]), rows)) + 1]
    return replace(pairs.take(np.isin(group, chosen)), base=None, rows=None)


def out_of_fold(pairs: Pairs, folds: Folds, make_member: Callable[[], Member]) -> Floats:
    """Return out-of-fold probabilities, shape (n, K), of a member that is trained in memory."""
    probabilities = np.empty((len(pairs), pairs.n_outcomes))
    for fold in folds:
        member, train = make_member(), pairs.take(fold.train)
        member.fit(train, None, Context(fold.index, np.zeros(len(train), dtype=np.int8)))
        probabilities[fold.valid] = member.predict_proba(pairs.take(fold.valid))
    return probabilities


def _section(audit: LeakAudit, resamples: int) -> Section:
    differences = {name: audit.difference(mask, resamples) for name, mask in audit.subsets.items()}
    rows = [
        {
            "rows": name,
            "number": int(mask.sum()),
            "grouped folds": float(audit.grouped[mask].mean()),
            "plain folds": float(audit.plain[mask].mean()),
            "plain less grouped": differences[name],
        }
        for name, mask in audit.subsets.items()
    ]
    table = ReportTable("One member, two kinds of folds", rows, NOTE.format(k=audit.k))
    return Section("leak", "Leak audit", _summarize(audit, differences[ALL_ROWS]), [table], [_plot(differences)])


def _summarize(audit: LeakAudit, difference: Estimate) -> list[str]:
    value, low, high = difference
    bounds = f"(95 % interval {low:+.4f} to {high:+.4f})"
    if not audit.subsets.get(SHARED_ROWS, np.zeros(1)).sum():
        sentences = ["No prompt is met twice: plain stratified folds leak nothing here."]
    elif high < 0:
        sentences = [
            f"Plain stratified folds report a log loss {-value:.4f} nats lower {bounds}: prompts in two folds leak."
        ]
    else:
        sentences = [f"Plain stratified folds change the log loss by {value:+.4f} nats {bounds}: no leak shows here."]
    n = len(audit.group)
    if n < audit.total:
        sentences.append(f"Measured on {n:,} of {audit.total:,} rows: whole prompts, drawn at random.")
    return sentences


def _plot(differences: Mapping[str, Estimate]) -> Plot:
    figure, axes = new_axes(8.0, 1.2 + 0.4 * len(differences))
    axes.axvline(0.0, color=MUTED, linewidth=1)
    for row, (value, low, high) in enumerate(differences.values()):
        axes.hlines(row, low, high, color=ACCENT, linewidth=1.5)
        axes.plot(value, row, "o", color=ACCENT, markersize=5)
    labels = ["all rows" if name == ALL_ROWS else f"rows {name}" for name in differences]
    axes.set_yticks(range(len(differences)), labels)
    axes.set(xlabel="log loss: plain less grouped folds, nats (line: 95 % interval)")
    axes.set_ylim(len(differences) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    value, _, high = differences[ALL_ROWS]
    if high < 0:
        return Plot("leak", f"Plain folds report {-value:.4f} nats less than grouped ones", figure)
    return Plot("leak", f"No leak shows: plain folds change the log loss by {value:+.4f} nats", figure)
