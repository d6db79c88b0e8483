"""The bias audit as a section of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prefens.core.types import Floats, Folds, Pairs
from prefens.reporting.bias.audit import VOTES, BiasAudit, bias_audit
from prefens.reporting.bias.estimator import Estimate, Estimates
from prefens.reporting.bias.plots import effects_plot, family_plot, length_effect_plot, model_pair_plot, swap_plot
from prefens.reporting.bias.tables import (
    departure_table,
    effect_table,
    length_effect_table,
    predictor_table,
    swap_table,
    tie_table,
    win_rate_table,
)
from prefens.reporting.section import Section

HEADLINES = (
    "shown first", "with more words", "with a list, at equal length", "with headings, at equal length", "refusing",
    "speaking of itself as an AI",
)  # fmt: skip


def bias_section(pairs: Pairs, folds: Folds, predictions: Mapping[str, Floats], resamples: int = 500) -> Section:
    """Return the bias audit of votes and predictions; parameters and errors are those of `bias_audit`."""
    audit = bias_audit(pairs, folds, predictions, resamples)
    columns, first = audit.lengths.names, next(iter(audit.predictions), None)
    tables = [
        effect_table(audit.main, columns),
        departure_table(audit.main, VOTES, list(audit.predictions)),
        *([predictor_table(audit.main)] if len(audit.main.names) > len(columns) else []),
        length_effect_table(audit.lengths),
        tie_table(audit.ties),
        swap_table(audit.votes, audit.predictions, audit.swapped_duplicates, audit.bootstrap),
        effect_table(audit.families, columns, "Model families against all others"),
        win_rate_table(audit.model_pairs, VOTES, columns, first, audit.votes.shape[1]),
    ]
    plots = [
        effects_plot(audit.main, columns),
        length_effect_plot(audit.lengths),
        swap_plot(audit.votes, audit.swapped_duplicates),
        family_plot(audit.families, columns),
        model_pair_plot(audit.model_pairs, VOTES, first),
    ]
    return Section(
        "bias",
        "Bias audit",
        summarize(audit),
        [table for table in tables if table.rows],
        [plot for plot in plots if plot is not None],
    )


def summarize(audit: BiasAudit) -> list[str]:
    """Return sentences on what moves the votes, and on where the first predictor departs from them."""
    names = [effect.name for effect in audit.main.effects]
    sentences = [effect_sentence(name, audit.main.estimate(VOTES, names.index(name))) for name in HEADLINES]
    return [sentence for sentence in sentences if sentence] + departure_sentences(audit.main, list(audit.predictions))


def effect_sentence(name: str, effect: Estimate | None) -> str:
    """Return a sentence on an effect of the votes, in percentage points; "" where it is not known."""
    if effect is None:
        return ""
    value, low, high = (100 * number for number in effect)
    if not effect.excludes_zero:
        return f"No effect shows of a response {name}: {value:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})."
    low, high = sorted((abs(low), abs(high)))
    more = "more" if value > 0 else "less"
    comma = "," if "," in name else ""
    return (
        f"The response {name}{comma} wins {abs(value):.1f} points {more} often than the other one "
        f"(95 % interval {low:.1f} to {high:.1f})."
    )


def departure_sentences(main: Estimates, predictors: Sequence[str]) -> list[str]:
    """Return a sentence on how many effects of the first predictor depart from those of the votes, and where most."""
    if not predictors:
        return []
    name = predictors[0]
    gaps = {index: main.difference(name, VOTES, index) for index in main.estimated(VOTES)}
    clear = {index: gap for index, gap in gaps.items() if gap is not None and gap.excludes_zero}
    if not clear:
        return [f"{name} departs from the votes in none of {len(gaps)} effects."] if gaps else []
    largest = max(clear, key=lambda index: abs(clear[index].value))
    return [
        f"{name} departs from the votes in {len(clear)} of {len(gaps)} effects, most for responses "
        f"{main.effects[largest].name}: {100 * clear[largest].value:+.1f} points."
    ]
