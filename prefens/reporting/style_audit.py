"""Why people prefer a response: the strongest coefficients of the logistic style model, with intervals."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prefens.core.bootstrap import GroupBootstrap, interval
from prefens.core.feature_cache import cached_features
from prefens.core.feature_scaling import Block, PairScaling
from prefens.core.symmetric_logistic import fit_lbfgs
from prefens.core.types import Floats, Pairs, Strings
from prefens.data.folds import assign, prompt_groups
from prefens.members.strengths import choose_strength
from prefens.members.style import StyleMember, all_features
from prefens.reporting.leak_audit import draw_prompts
from prefens.reporting.plots import ACCENT, MUTED, blank
from prefens.reporting.section import Plot, Section, Table

ROWS = 5000  # fitted at most: whole prompts, drawn at random
SHOWN_ODD, SHOWN_EVEN = 20, 10
FEWEST = 20  # resamples, whatever the time
INNER = 5
ABOUT = (
    "Log odds of winning against losing for a difference of one standard deviation, all other features being equal; "
    "L2-penalised (strength {strength:g}), with 95 % intervals from {resamples} resamples of prompts at that penalty. "
    "Features overlap: words, lines and lists share the credit for length."
)
ABOUT_TIES = (
    "Log odds of a tie for one standard deviation more. gap: how far apart the responses are; sum: what both have."
)


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Named coefficients: `value` (p,), `bounds` (p, 2) their 95 % intervals."""

    names: Sequence[str]
    value: Floats
    bounds: Floats

    def strongest(self, most: int) -> list[int]:
        """Return the places of the strongest coefficients whose interval excludes 0, the strongest first."""
        known = np.flatnonzero((self.bounds[:, 0] > 0) | (self.bounds[:, 1] < 0))
        return [int(place) for place in known[np.argsort(-np.abs(self.value[known]), kind="stable")][:most]]

    def rows(self, most: int) -> list[dict[str, object]]:
        """Return the strongest as rows of a table."""
        return [
            {
                "feature": self.names[at].replace("_", " "),
                "coefficient": (float(self.value[at]), *map(float, self.bounds[at])),
            }
            for at in self.strongest(most)
        ]


def style_section(pairs: Pairs, resamples: int = 100, seconds: float = 8.0, rows: int = ROWS) -> Section:
    """Fit the logistic style model to labelled pairs and return its strongest coefficients.

    Parameters
    ----------
    resamples : of prompt groups, fewer where `seconds` end before, but no fewer than FEWEST.
    rows : how many are drawn from larger data, by whole prompts.
    """
    sample = draw_prompts(pairs, rows, seed=0)
    found, place = cached_features(sample, "style features", all_features)
    features, group = found.take(place), prompt_groups(sample)
    scaling = PairScaling.fit([Block(features.odd)], [Block(features.even)])
    scaled = scaling.apply([Block(features.odd)], [Block(features.even)])
    inner = assign(sample.labels, group, np.full(INNER, 1.0 / INNER), 0).astype(np.int8)
    strength, _ = choose_strength(*scaled, sample.labels, inner, StyleMember("").strengths)
    odd, even, done = _resampled(*scaled, sample, group, strength, resamples, seconds)
    about = ABOUT.format(strength=strength, resamples=done)
    wins = Coefficients(features.names_odd, *odd)
    return _present(wins, Coefficients(features.names_even, *even), about, len(sample), len(pairs))


Estimated = tuple[Floats, Floats]  # coefficients (p,) and intervals (p, 2)


def _resampled(
    odd: Floats, even: Floats, pairs: Pairs, group: Strings, strength: float, resamples: int, seconds: float
) -> tuple[Estimated, Estimated, int]:
    """Fit all rows, then resamples of prompt groups from that start; return what was estimated, and of how many."""
    label, bootstrap = pairs.labels, GroupBootstrap(group, resamples)
    whole = fit_lbfgs(odd, even, label, strength)
    ends, draws = time.monotonic() + seconds, []
    for counts in (counts for chunk in bootstrap.draws() for counts in chunk):
        rows = np.repeat(np.arange(len(label)), counts[bootstrap.group_index].astype(np.int64))
        model = fit_lbfgs(odd[rows], even[rows], label[rows], strength, start=whole, tolerance=1e-4)
        draws.append((2.0 * model.odd, model.even))  # the logits of winning and losing are s and -s
        if len(draws) >= FEWEST and time.monotonic() > ends:
            break
    bounds = [interval(np.array(side)) for side in zip(*draws, strict=True)]
    return (2.0 * whole.odd, bounds[0]), (whole.even, bounds[1]), len(draws)


def _present(wins: Coefficients, ties: Coefficients, about: str, rows: int, total: int) -> Section:
    strongest = wins.strongest(3)
    said = ["No coefficient of the style model is clear of zero."]
    if strongest:
        told = [f"{wins.names[at].replace('_', ' ')} ({wins.value[at]:+.2f})" for at in strongest]
        said = [f"What the style model credits most, in log odds per standard deviation: {', '.join(told)}."]
    if rows < total:
        said.append(f"Fitted to {rows:,} of {total:,} rows: whole prompts, drawn at random.")
    tables = [
        Table("What wins, by the style model", wins.rows(SHOWN_ODD), about, digits=3),
        Table("What ties, by the style model", ties.rows(SHOWN_EVEN), ABOUT_TIES, digits=3),
    ]
    plots = [_plot(wins)] if strongest else []
    return Section("style", "Why a response is preferred", said, [table for table in tables if table.rows], plots)


def _plot(found: Coefficients) -> Plot:
    places = found.strongest(SHOWN_ODD)
    figure, axes = blank(8.0, 1.2 + 0.24 * len(places))
    axes.axvline(0.0, color=MUTED, linewidth=1)
    rows = np.arange(len(places))
    axes.hlines(rows, found.bounds[places, 0], found.bounds[places, 1], color=ACCENT, linewidth=1.5)
    axes.plot(found.value[places], rows, "o", color=ACCENT, markersize=4)
    axes.set_yticks(rows, [found.names[at].replace("_", " ") for at in places], fontsize=8)
    axes.set(xlabel="log odds of winning per standard deviation (line: 95 % interval)", ylim=(len(places) - 0.5, -0.5))
    best, more = found.names[places[0]].replace("_", " "), "for" if found.value[places[0]] > 0 else "against"
    clear = len(found.strongest(len(found.names)))
    finding = f"{clear} of {len(found.names)} style features are clear of zero"
    return Plot("style-coefficients", f"{finding}; the strongest, {best}, speaks {more} a response", figure)
