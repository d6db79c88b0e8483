"""The data profile as a section of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from prefens.core.metrics import outcome_shares
from prefens.core.types import Folds, Ints, Pairs, Strings
from prefens.data.folds import prompt_groups
from prefens.data.loaded import SourceRecord
from prefens.data.near_duplicates import near_duplicates
from prefens.reporting.data_profile.duplicates import CONTRADICTORY
from prefens.reporting.data_profile.plots import language_plot, length_plot, model_plot, outcome_plot
from prefens.reporting.data_profile.profile import DataProfile, TokenCounter, data_profile
from prefens.reporting.data_profile.sources import source_tables
from prefens.reporting.data_profile.tables import (
    language_table,
    length_table,
    model_table,
    outcome_table,
    overview_table,
    problem_table,
    script_table,
    turn_table,
)
from prefens.reporting.section import Section


def data_section(
    pairs: Pairs,
    group: Strings,
    folds: Folds | None = None,
    repaired: Mapping[str, int] | None = None,
    count_tokens: TokenCounter | None = None,
    metadata: Mapping[str, Strings] | None = None,
    sources: Sequence[SourceRecord] = (),
    extra: Sequence[Pairs] = (),
) -> Section:
    """Return the profile of pairs; parameters and errors are those of `data_profile` and `source_tables`."""
    profile = data_profile(pairs, group, folds, repaired, count_tokens)
    prompts = np.concatenate([pairs.prompt, *(each.prompt for each in extra)])
    groups = np.concatenate([group, *(prompt_groups(each) for each in extra)])
    cluster = near_duplicates(prompts, groups) if len(prompts) else np.zeros(0, dtype=np.int64)
    stats, models = profile.stats, profile.models
    tables = [
        overview_table(
            {"pairs": len(pairs), "different prompts": profile.n_prompts, "models": len(models)}, profile.repaired
        ),
        *source_tables(group, profile.k, metadata or {}, sources, extra, cluster),
        outcome_table(pairs),
        problem_table(profile.problems, profile.shared, profile.expected_leak, profile.leaked),
        length_table(stats, profile.tokens),
        turn_table(stats),
        language_table(stats),
        script_table(stats),
        model_table(models),
    ]
    plots = [outcome_plot(pairs), length_plot(stats), language_plot(stats), model_plot(models)]
    return Section(
        "data",
        "Data profile",
        [*summarize(profile), *_near(group, cluster[: len(pairs)])],
        [table for table in tables if table.rows],
        [plot for plot in plots if plot is not None],
    )


def summarize(profile: DataProfile) -> list[str]:
    """Return sentences on what a reader must know of the data, the most important first."""
    n, label = len(profile.pairs), profile.pairs.label
    if not n:
        return ["There are no pairs."]
    models = f" and {len(profile.models):,} models" if profile.models else ""
    sentences = [f"{n:,} pairs of {profile.n_prompts:,} different prompts{models}."]
    if label is not None:
        shares = outcome_shares(label, profile.pairs.n_outcomes)
        a, b, *ties = (f"{share:.1%}" for share in shares)
        sentences.append(f"A wins {a}, B wins {b}, and {ties[0]} are ties." if ties else f"A wins {a}, B wins {b}.")
    sentences.append(
        f"{profile.shared:,} rows ({profile.shared / n:.1%}) share their prompt with another row; plain stratified "
        f"folds (k={profile.k}) would leak about {profile.expected_leak:,.0f} of them{_own_folds(profile)}."
    )
    contradictory = int(profile.problems[CONTRADICTORY].sum())
    if contradictory:
        sentences.append(f"{contradictory:,} rows are of pairs whose votes contradict each other.")
    if not profile.tokens:
        sentences.append("Tokens were not counted: no tokenizer was at hand.")
    return sentences


def _near(group: Strings, cluster: Ints) -> list[str]:
    """Return a sentence on the rows whose prompt is nearly that of other rows."""
    _, first = np.unique(group.astype(str), return_index=True)
    near = int((np.bincount(cluster[first], minlength=1)[cluster] > 1).sum()) if len(cluster) else 0
    return [f"{near:,} rows have nearly, but not quite, the prompt of another row."] if near else []


def _own_folds(profile: DataProfile) -> str:
    if profile.folds is None or profile.leaked is None:
        return ""
    scheme = str(profile.folds.settings.get("scheme", "given")).replace("_", " ")
    return f", the {scheme} folds used here leak {profile.leaked:,}"
