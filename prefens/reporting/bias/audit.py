"""The bias audit: what moves the votes, and whether the predictions are moved by the same things as much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prefens.core.bootstrap import GroupBootstrap
from prefens.core.errors import StoreError
from prefens.core.metrics import one_hot
from prefens.core.types import Floats, Folds, Ints, Pairs
from prefens.reporting.bias.effects import family_effects, main_effects, model_pair_effects, ratio_effects, tie_shares
from prefens.reporting.bias.estimator import Estimates, estimate, excludes_zero
from prefens.reporting.bias.plots import family_plot, forest_plot, model_pair_plot, order_plot, ratio_plot
from prefens.reporting.bias.swapped_duplicates import find_mates
from prefens.reporting.bias.tables import (
    departure_table,
    effect_table,
    every_table,
    order_table,
    ratio_table,
    tie_table,
    win_rate_table,
)
from prefens.reporting.section import Plot, Section, Table
from prefens.reporting.text_stats import read_pairs

VOTES, TRUTH = "votes", "truth"
SHOWN = 4  # predictors that tables have columns for; the others' main effects are in a table of their own
HEADLINES = (
    "shown first", "with more words", "with a list, at equal length", "with headings, at equal length", "refusing",
    "speaking of itself as an AI",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Audit:
    """All that the audit estimates of n pairs.

    Attributes
    ----------
    main : effects on winning, of the votes, of the truth where it is known, and of every predictor.
    ratios, ties, families, model_pairs : of the votes, the truth and the first SHOWN predictors.
    votes : (n, K) one-hot; mates : (n,) as `both_orders.find_mates` gives them.
    """

    main: Estimates
    ratios: Estimates
    ties: Estimates
    families: Estimates
    model_pairs: Estimates
    votes: Floats
    predictions: Mapping[str, Floats]
    mates: Ints
    bootstrap: GroupBootstrap


def bias_section(pairs: Pairs, folds: Folds, predictions: Mapping[str, Floats], resamples: int = 500) -> Section:
    """Return the bias audit of the votes and of predictions.

    Parameters
    ----------
    pairs : the texts, in any order; those that `folds` does not have are left out.
    folds : n rows with their labels and prompt groups; predictions : name -> (n, K) out-of-fold probabilities in the
        order of `folds`, the most important first; may be empty.
    resamples : of prompt groups, for the 95 % intervals.

    Raises StoreError where a row of `folds` has no text or predictions have another shape.
    """
    return present(audit(aligned(pairs, folds), folds, predictions, resamples))


def aligned(pairs: Pairs, folds: Folds) -> Pairs:
    """Return the pairs of `folds` in its order; StoreError where any is missing."""
    place = {name: row for row, name in enumerate(pairs.ids)}
    missing = [name for name in folds.ids if name not in place]
    if missing:
        raise StoreError(
            f"no texts for {len(missing)} of {len(folds.ids)} rows (id {missing[0]}, say)",
            "the pairs that the folds were made of",
            "give the same data.path as in training",
        )
    return pairs.take(np.array([place[name] for name in folds.ids], dtype=np.int64))


def audit(pairs: Pairs, folds: Folds, predictions: Mapping[str, Floats], resamples: int) -> Audit:
    """Estimate all effects of pairs in the order of `folds`."""
    for name, values in predictions.items():
        expected = (len(pairs), pairs.n_outcomes)
        if values.shape != expected:
            raise StoreError(f"{name}: probabilities of shape {values.shape}", f"{expected}", "join them by id")
    reading, bootstrap, votes = read_pairs(pairs), GroupBootstrap(folds.group, resamples), one_hot(folds.label)
    known = {VOTES: votes} | ({} if pairs.truth is None else {TRUTH: pairs.truth[:, 0]})
    everyone = known | dict(predictions)
    shown = known | dict(list(predictions.items())[:SHOWN])
    few = (list(shown), list(shown.values()), bootstrap)
    return Audit(
        estimate(main_effects(pairs, reading), list(everyone), list(everyone.values()), bootstrap),
        estimate(ratio_effects(reading), *few),
        estimate(tie_shares(pairs, reading), *few),
        estimate(family_effects(pairs), *few),
        estimate(model_pair_effects(pairs), *few),
        votes,
        predictions,
        find_mates(pairs),
        bootstrap,
    )


def present(found: Audit) -> Section:
    """Return an audit as a section of the report."""
    shown, first = found.ratios.names, next(iter(found.predictions), None)
    tables: list[Table | None] = [
        effect_table(found.main, shown),
        departure_table(found.main, VOTES, list(found.predictions)),
        every_table(found.main, found.main.names) if len(found.main.names) > len(shown) else None,
        ratio_table(found.ratios),
        tie_table(found.ties),
        order_table(found.votes, found.predictions, found.mates, found.bootstrap),
        effect_table(found.families, shown, "Model families against all others") if found.families.effects else None,
        win_rate_table(found.model_pairs, VOTES, shown, first) if found.model_pairs.effects else None,
    ]
    plots: list[Plot | None] = [
        forest_plot(found.main, shown),
        ratio_plot(found.ratios),
        order_plot(found.votes, found.mates),
        family_plot(found.families, shown),
        model_pair_plot(found.model_pairs, VOTES, first),
    ]
    return Section(
        "bias",
        "Bias audit",
        summary(found),
        [table for table in tables if table is not None],
        [plot for plot in plots if plot is not None],
    )


def summary(found: Audit) -> list[str]:
    """Say what moves the votes, and which predictor departs from them most often."""
    names = [effect.name for effect in found.main.effects]
    said = [sentence(name, found.main.cell(VOTES, names.index(name))) for name in HEADLINES]
    return [*(each for each in said if each), *departures(found.main, list(found.predictions))]


def sentence(name: str, cell: tuple[float, float, float] | None) -> str:
    """Say an effect of the votes in words and percentage points; "" where it is not known."""
    if cell is None:
        return ""
    value, low, high = (100 * number for number in cell)
    if not excludes_zero(cell):
        return f"No effect shows of a response {name}: {value:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})."
    low, high = sorted((abs(low), abs(high)))
    more = "more" if value > 0 else "less"
    comma = "," if "," in name else ""
    return (
        f"The response {name}{comma} wins {abs(value):.1f} points {more} often than the other one "
        f"(95 % interval {low:.1f} to {high:.1f})."
    )


def departures(main: Estimates, names: Sequence[str]) -> list[str]:
    """Say of the first predictor in how many effects it departs from the votes, and where most."""
    if not names:
        return []
    gaps = [main.difference(names[0], VOTES, place) for place in range(len(main.effects))]
    clear = {place: gap for place, gap in enumerate(gaps) if gap is not None and excludes_zero(gap)}
    known = sum(gap is not None for gap in gaps)
    if not clear:
        return [f"{names[0]} departs from the votes in none of {known} effects."] if known else []
    most = max(clear, key=lambda place: abs(clear[place][0]))
    return [
        f"{names[0]} departs from the votes in {len(clear)} of {known} effects, most for responses "
        f"{main.effects[most].name}: {100 * clear[most][0]:+.1f} points."
    ]
