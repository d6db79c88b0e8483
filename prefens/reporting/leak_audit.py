"""The leak audit: what a score gains when rows that share a prompt are spread over folds, and means nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.metrics import row_losses
from prefens.core.types import Floats, Folds, Pairs, Strings
from prefens.data.folds import FoldSettings, Scheme, make_folds, prompt_groups
from prefens.members.base import Context, Member
from prefens.members.tfidf import TfidfMember
from prefens.reporting.bias.estimator import MIN_GROUPS
from prefens.reporting.data_profile.duplicates import group_sizes
from prefens.reporting.plots import ACCENT, MUTED, blank
from prefens.reporting.section import Plot, Section, Table

ROWS = 3000  # trained and scored at most: whole prompts, drawn at random
ABOUT = (
    "The same member, trained under two assignments of the same rows to {k} folds. It compares the n-grams of both "
    "responses, and so can learn which answer to a prompt won; the few features of the style member can do so in small "
    "data only. Nothing is tuned. Log loss in nats, with the 95 % interval of the paired difference by bootstrap over "
    "prompts."
)


def remembering_member() -> Member:
    """Return the member of the audit: cheap, and able to recognise a prompt's answers when it meets them again."""
    return TfidfMember("leak-audit", word_ngrams=[1, 1], char_ngrams=[3, 3], bits=10, strengths=[0.1])


@dataclass(frozen=True, eq=False)
class Leak:
    """Row losses, in nats, of one member under both kinds of folds.

    Attributes
    ----------
    grouped, plain : (n,); group : (n,) prompt groups; k : folds; drawn_from : the rows of the whole data.
    """

    grouped: Floats
    plain: Floats
    group: Strings
    k: int
    drawn_from: int

    @property
    def parts(self) -> dict[str, NDArray[np.bool_]]:
        """The rows that are told apart."""
        shared = group_sizes(self.group) > 1
        every = np.ones(len(shared), dtype=bool)
        parts = {"all": every, "whose prompt another row has too": shared, "with a prompt of their own": ~shared}
        return {name: keep for name, keep in parts.items() if keep.all() or len(set(self.group[keep])) >= MIN_GROUPS}


def leak_section(
    pairs: Pairs,
    make: Callable[[], Member] = remembering_member,
    settings: FoldSettings | None = None,
    rows: int = ROWS,
    resamples: int = 1000,
) -> Section:
    """Train a member under grouped and under plain stratified folds, and return what the plain ones make of its score.

    Parameters
    ----------
    pairs : labelled; make : a fresh member for each fold. It gets no inner folds, so that nothing is tuned.
    settings : k and seed of the folds; rows : how many are drawn from larger data, by whole prompts.

    Nothing is stored. Raises ConfigError where there are fewer prompts than folds.
    """
    chosen = settings or FoldSettings()
    sample = draw_prompts(pairs, rows, chosen.seed)
    losses = {}
    for scheme in Scheme:
        folds = make_folds(sample, replace(chosen, scheme=scheme, holdout=0.0))
        losses[scheme] = row_losses(out_of_fold(sample, folds, make), folds.label)
    grouped, plain = losses[Scheme.stratified_group], losses[Scheme.stratified]
    return present(Leak(grouped, plain, prompt_groups(sample), chosen.k, len(pairs)), resamples)


def draw_prompts(pairs: Pairs, rows: int, seed: int) -> Pairs:
    """Return about `rows` of the pairs, all rows of a prompt or none; in their order, and as data of their own."""
    if len(pairs) <= rows:
        return pairs
    _, place, sizes = np.unique(prompt_groups(pairs).astype(str), return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    kept = order[: int(np.searchsorted(np.cumsum(sizes[order]), rows)) + 1]
    return replace(pairs.take(np.isin(place, kept)), base=None, rows=None)  # features of these rows alone


def out_of_fold(pairs: Pairs, folds: Folds, make: Callable[[], Member]) -> Floats:
    """Return (n, K) out-of-fold probabilities of a member trained in memory."""
    probabilities = np.empty((len(pairs), pairs.n_outcomes))
    for fold in folds:
        member, train = make(), pairs.take(fold.train)
        member.fit(train, None, Context(fold.index, np.zeros(len(train), dtype=np.int8)))
        probabilities[fold.valid] = member.predict_proba(pairs.take(fold.valid))
    return probabilities


def present(found: Leak, resamples: int) -> Section:
    """Return the audit as a section of the report."""
    cells = {name: _difference(found, keep, resamples) for name, keep in found.parts.items()}
    rows = [
        {
            "rows": name,
            "number": int(keep.sum()),
            "grouped folds": float(found.grouped[keep].mean()),
            "plain folds": float(found.plain[keep].mean()),
            "plain less grouped": cells[name],
        }
        for name, keep in found.parts.items()
    ]
    table = Table("One member, two kinds of folds", rows, ABOUT.format(k=found.k))
    return Section("leak", "Leak audit", summary(found, cells), [table], [_plot(cells)])


def _difference(found: Leak, keep: NDArray[np.bool_], resamples: int) -> tuple[float, float, float]:
    gap = (found.plain - found.grouped)[keep]
    low, high = interval(GroupBootstrap(found.group[keep], resamples).means(gap[None]))[0]
    return float(gap.mean()), float(low), float(high)


def summary(found: Leak, cells: Mapping[str, tuple[float, float, float]]) -> list[str]:
    """Say what plain folds would pretend."""
    value, low, high = cells["all"]
    shared = int(found.parts.get("whose prompt another row has too", np.zeros(1)).sum())
    bounds = f"(95 % interval {low:+.4f} to {high:+.4f})"
    if not shared:
        said = ["No prompt is met twice: plain stratified folds leak nothing here."]
    elif high < 0:
        said = [
            f"Plain stratified folds report a log loss {-value:.4f} nats lower {bounds}: prompts in two folds leak."
        ]
    else:
        said = [f"Plain stratified folds change the log loss by {value:+.4f} nats {bounds}: no leak shows here."]
    if len(found.group) < found.drawn_from:
        said.append(f"Measured on {len(found.group):,} of {found.drawn_from:,} rows: whole prompts, drawn at random.")
    return said


def _plot(cells: Mapping[str, tuple[float, float, float]]) -> Plot:
    figure, axes = blank(8.0, 1.2 + 0.4 * len(cells))
    axes.axvline(0.0, color=MUTED, linewidth=1)
    for row, (value, low, high) in enumerate(cells.values()):
        axes.hlines(row, low, high, color=ACCENT, linewidth=1.5)
        axes.plot(value, row, "o", color=ACCENT, markersize=5)
    axes.set_yticks(range(len(cells)), [f"rows {name}" if name != "all" else "all rows" for name in cells])
    axes.set(xlabel="log loss: plain less grouped folds, nats (line: 95 % interval)")
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    value, _, high = cells["all"]
    if high < 0:
        return Plot("leak", f"Plain folds report {-value:.4f} nats less than grouped ones", figure)
    return Plot("leak", f"No leak shows: plain folds change the log loss by {value:+.4f} nats", figure)
