"""The style audit: which features of a response win, by the coefficients of the logistic style model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.feature_cache import cached_features
from prefens.core.feature_scaling import Block, PairScaling
from prefens.core.symmetric_logistic import fit_lbfgs
from prefens.core.teaching import Targets
from prefens.core.types import Floats, Pairs, Strings
from prefens.data.folds import assign, prompt_groups
from prefens.members.strengths import choose_strength
from prefens.members.style import StyleMember, all_features
from prefens.reporting.leak_audit import sample_prompts
from prefens.reporting.plots import ACCENT, MUTED, new_axes
from prefens.reporting.section import Plot, ReportTable, Section

MAX_ROWS = 5000  # that are fitted: whole prompts, drawn at random
MAX_WINS, MAX_TIES = 20, 10  # coefficients that are shown
MIN_RESAMPLES = 20  # even where time is up
INNER_FOLDS = 5  # on which the penalty is chosen
WINS_NOTE = (
    "Log odds of winning against losing for a difference of one standard deviation, all other features being equal; "
    "L2-penalised (strength {strength:g}), with 95 % intervals from {resamples} resamples of prompts at that penalty. "
    "Features overlap: words, lines and lists share the credit for length."
)
TIES_NOTE = (
    "Log odds of a tie for one standard deviation more. gap: how far apart the responses are; sum: what both have."
)


@dataclass(frozen=True, eq=False)
class Coefficients:
    """p coefficients with their intervals.

    Attributes
    ----------
    names : sequence of str
        The features.
    values : ndarray of float, shape (p,)
        The coefficients, in log odds per standard deviation.
    bounds : ndarray of float, shape (p, 2)
        Their 95 % intervals.
    """

    names: Sequence[str]
    values: Floats
    bounds: Floats

    def strongest(self, most: int) -> list[int]:
        """Return the indices of up to `most` coefficients whose interval excludes 0, the strongest first."""
        clear = np.flatnonzero((self.bounds[:, 0] > 0) | (self.bounds[:, 1] < 0))
        return [int(index) for index in clear[np.argsort(-np.abs(self.values[clear]), kind="stable")][:most]]

    def label(self, index: int) -> str:
        """Return the name of a feature as it is shown."""
        return self.names[index].replace("_", " ")

    def table(self, title: str, most: int, note: str) -> ReportTable:
        """Return a table of the strongest coefficients."""
        rows = [
            {"feature": self.label(index), "coefficient": (float(self.values[index]), *map(float, self.bounds[index]))}
            for index in self.strongest(most)
        ]
        return ReportTable(title, rows, note, digits=3)


def style_section(pairs: Pairs, resamples: int = 100, seconds: float = 8.0, rows: int = MAX_ROWS) -> Section:
    """Fit the logistic style model to labelled pairs and return its strongest coefficients.

    Parameters
    ----------
    pairs : Pairs
        Labelled pairs.
    resamples : int
        Of prompt groups, for the intervals.
    seconds : float
        The time after which no further resample is fitted, once there are MIN_RESAMPLES.
    rows : int
        How many rows are drawn from larger data, by whole prompts.
    """
    sample = sample_prompts(pairs, rows, seed=0)
    cached, cached_rows = cached_features(sample, "style features", all_features)
    features, group = cached.take(cached_rows), prompt_groups(sample)
    scaling = PairScaling.fit([Block(features.odd)], [Block(features.even)])
    odd, even = scaling.apply([Block(features.odd)], [Block(features.even)])
    inner = assign(sample.labels, group, np.full(INNER_FOLDS, 1.0 / INNER_FOLDS), 0).astype(np.int8)
    targets = Targets.of_votes(sample.labels, sample.n_outcomes)
    strength, _ = choose_strength(odd, even, targets, inner, StyleMember("").strengths)
    wins, ties, done = _fit_resamples(odd, even, sample, group, strength, resamples, seconds)
    return _section(
        Coefficients(features.names_odd, *wins),
        Coefficients(features.names_even, *ties),
        WINS_NOTE.format(strength=strength, resamples=done),
        len(sample),
        len(pairs),
    )


ValuesAndBounds = tuple[Floats, Floats]  # coefficients, (p,), and their intervals, (p, 2)


def _fit_resamples(
    odd: Floats, even: Floats, pairs: Pairs, group: Strings, strength: float, resamples: int, seconds: float
) -> tuple[ValuesAndBounds, ValuesAndBounds, int]:
    """Return the coefficients of winning and of ties, and the number of resamples behind their intervals.

    The fits of the resamples start from the fit of all rows.
    """
    targets, bootstrap = Targets.of_votes(pairs.labels, pairs.n_outcomes), GroupBootstrap(group, resamples)
    whole = fit_lbfgs(odd, even, targets, strength)
    deadline, draws = time.monotonic() + seconds, []
    for counts in (counts for chunk in bootstrap.draws() for counts in chunk):
        rows = np.repeat(np.arange(len(targets)), counts[bootstrap.group_index].astype(np.int64))
        model = fit_lbfgs(odd[rows], even[rows], targets.take(rows), strength, start=whole, tolerance=1e-4)
        draws.append((2.0 * model.odd, model.even))  # the logits of winning and losing are s and -s
        if len(draws) >= MIN_RESAMPLES and time.monotonic() > deadline:
            break
    bounds = [interval(np.array(side)) for side in zip(*draws, strict=True)]
    return (2.0 * whole.odd, bounds[0]), (whole.even, bounds[1]), len(draws)


def _section(wins: Coefficients, ties: Coefficients, wins_note: str, rows: int, total: int) -> Section:
    strongest = wins.strongest(3)
    sentences = ["No coefficient of the style model is clear of zero."]
    if strongest:
        features = ", ".join(f"{wins.label(index)} ({wins.values[index]:+.2f})" for index in strongest)
        sentences = [f"What the style model credits most, in log odds per standard deviation: {features}."]
    if rows < total:
        sentences.append(f"Fitted to {rows:,} of {total:,} rows: whole prompts, drawn at random.")
    tables = [
        wins.table("What wins, by the style model", MAX_WINS, wins_note),
        ties.table("What ties, by the style model", MAX_TIES, TIES_NOTE),
    ]
    plots = [_plot(wins)] if strongest else []
    return Section("style", "Why a response is preferred", sentences, [table for table in tables if table.rows], plots)


def _plot(wins: Coefficients) -> Plot:
    indices = wins.strongest(MAX_WINS)
    figure, axes = new_axes(8.0, 1.2 + 0.24 * len(indices))
    axes.axvline(0.0, color=MUTED, linewidth=1)
    rows = np.arange(len(indices))
    axes.hlines(rows, wins.bounds[indices, 0], wins.bounds[indices, 1], color=ACCENT, linewidth=1.5)
    axes.plot(wins.values[indices], rows, "o", color=ACCENT, markersize=4)
    axes.set_yticks(rows, [wins.label(index) for index in indices], fontsize=8)
    axes.set(xlabel="log odds of winning per standard deviation (line: 95 % interval)", ylim=(len(indices) - 0.5, -0.5))
    best, side = wins.label(indices[0]), "for" if wins.values[indices[0]] > 0 else "against"
    clear = len(wins.strongest(len(wins.names)))
    finding = f"{clear} of {len(wins.names)} style features are clear of zero"
    return Plot("style-coefficients", f"{finding}; the strongest, {best}, speaks {side} a response", figure)
