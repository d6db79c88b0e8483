"""Where the pairs are from: sources and their overlap, kinds of ties, languages, and what each fold rule would leak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from prefens.core.types import Ints, Pairs, Strings
from prefens.data.folds import prompt_groups
from prefens.data.loaded import SourceRecord
from prefens.reporting.data_profile.duplicates import expected_leaked_rows, leaked_rows
from prefens.reporting.section import ReportTable

MERGED_NOTE = "Left out: pairs whose texts, models and label a source before has too, and ties of two bad responses."
LEAK_NOTE = (
    "Rows that share their prompt, or nearly, with rows to train on. Extra rows are left out where their prompt is "
    "held out, and with folds=source those of other sources too. Near duplicates share at least 80 % of their "
    "sequences of three words, as hashes estimate it; no rule keeps them together."
)
SOURCE = "source"


def source_tables(
    group: Strings,
    k: int,
    metadata: Mapping[str, Strings],
    sources: Sequence[SourceRecord],
    extra: Sequence[Pairs],
    cluster: Ints | None = None,
) -> list[ReportTable]:
    """Return the tables on where n pairs are from; without rows where there is nothing to say.

    Parameters
    ----------
    group : ndarray of str, shape (n,)
        The prompt group of each pair.
    k : int
        The number of folds.
    metadata : mapping of str to ndarray of str, shape (n,)
        "tie", "language" and "source" of each pair, as far as they are known.
    sources : sequence of SourceRecord
        What came of each source.
    extra : sequence of Pairs
        Pairs that are only trained on.
    cluster : ndarray of int64, shape (n + e,), or None
        The cluster of near duplicates of each prompt, those of the e extra pairs last.
    """
    rows = [
        {"source": each.name, "format": each.format, "pairs": each.pairs, "in a source before": each.merged}
        | {"both bad, left out": each.both_bad}
        | ({"ties, left out": each.ties} if any(other.ties for other in sources) else {})
        for each in sources
    ]
    return [
        ReportTable("Sources", rows, MERGED_NOTE),
        _overlap_table(group, metadata.get(SOURCE)),
        _count_table("Kinds of ties", "kind", metadata.get("tie")),
        _count_table("Languages that the data names", "language", metadata.get("language")),
        _leak_table(group, k, metadata.get(SOURCE), extra, cluster),
    ]


def _overlap_table(group: Strings, source: Strings | None) -> ReportTable:
    """Return a table of the prompts that every two sources share."""
    names = [] if source is None else sorted(set(source))
    prompts = {name: set(group[source == name]) for name in names}
    rows: list[dict[str, Any]] = []
    for one, other in combinations(names, 2):
        shared = prompts[one] & prompts[other]
        of_shared = np.isin(group.astype(str), sorted(shared))
        counts = [int((of_shared & (source == name)).sum()) for name in (one, other)]
        rows.append({"sources": f"{one}, {other}", "prompts of both": len(shared)})
        rows[-1] |= {"pairs of the first with them": counts[0], "of the second": counts[1]}
    return ReportTable("Overlap of the sources", rows, "Prompts are the same up to case, spaces and punctuation.")


def _count_table(title: str, key: str, values: Strings | None) -> ReportTable:
    counts = Counter(() if values is None else values.tolist())
    rows = [{key: value, "pairs": count} for value, count in counts.most_common() if value]
    return ReportTable(title, rows)


def _leak_table(
    group: Strings, k: int, source: Strings | None, extra: Sequence[Pairs], cluster: Ints | None
) -> ReportTable:
    """Return a table of the rows whose prompt, or nearly that, would be trained on, by the rule of the split."""
    more = np.concatenate([group[:0], *(prompt_groups(pairs) for pairs in extra)])
    units = {"rows": np.concatenate([group, more]).astype(str)}
    if cluster is not None:
        units["or near duplicates"] = cluster.astype(str)
    n, table = len(group), dict[str, dict[str, int]]()
    for name, unit in units.items():
        own, others = unit[:n], unit[n:]
        counts = {
            f"stratified_group, k={k} (expected)": expected_leaked_rows(own, k, group),
            f"stratified, k={k} (expected)": expected_leaked_rows(own, k),
        }
        if source is not None and len(set(source)) > 1:
            _, number = np.unique(source.astype(str), return_inverse=True)
            counts["source (left out of training)"] = int(leaked_rows(own, number).sum())
        if extra:
            counts[f"{len(others):,} extra rows, with those of held-out prompts"] = int(np.isin(others, own).sum())
        table[name] = {rule: round(count) for rule, count in counts.items()}
    rows: list[dict[str, Any]] = [
        {"rule": rule, **{name: counts[rule] for name, counts in table.items()}} for rule in table["rows"]
    ]
    return ReportTable("Rows that each fold rule would leak", rows, LEAK_NOTE)
