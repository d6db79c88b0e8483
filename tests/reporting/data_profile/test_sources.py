"""The profile of several sources: what they share, which ties they have, and what each fold rule would leak."""

import numpy as np

from prefens.core.types import Pairs
from prefens.data.folds import prompt_groups
from prefens.data.loaded import SourceRecord
from prefens.reporting.data_profile.section import data_section
from prefens.reporting.data_profile.sources import source_tables
from tests.helpers.examples import column, make_pairs
from tests.helpers.pages import check_section

PROMPTS = ["p", "P!", "q", "r", "r", "s"]
SOURCES = ["a", "b", "a", "b", "b", "a"]
FACTS = {"source": column(SOURCES), "tie": column(["tie", "both bad", "", "tie", "", ""])}
LEAKS = "Rows that each fold rule would leak"


def pairs() -> Pairs:
    made = make_pairs(6)
    texts = column([(prompt,) for prompt in PROMPTS])
    return Pairs(made.ids, texts, made.response_a, made.response_b, made.label)


def rows_of(tables: list, title: str) -> list[dict[str, object]]:  # type: ignore[type-arg]
    return next(list(table.rows) for table in tables if table.title == title)


def test_counts_that_can_be_checked_by_hand() -> None:
    group = prompt_groups(pairs())
    extra = pairs().take(np.array([0, 1, 3]))
    records = [SourceRecord("a", "winner", 3), SourceRecord("b", "one_hot", 3, merged=2, both_bad=1)]
    tables = source_tables(group, 2, FACTS, records, [extra, make_pairs(4)])
    assert [row["pairs"] for row in rows_of(tables, "Sources")] == [3, 3]
    assert rows_of(tables, "Overlap of the sources") == [
        {"sources": "a, b", "prompts of both": 1, "pairs of the first with them": 1, "of the second": 1}
    ]
    assert rows_of(tables, "Kinds of ties") == [{"kind": "tie", "pairs": 2}, {"kind": "both bad", "pairs": 1}]
    leaks = [row["rows"] for row in rows_of(tables, "Rows that each fold rule would leak")]
    assert leaks == [0, 2, 2, 3]  # p and r are shared, each by two rows; p by two sources


def test_near_duplicates_leak_under_every_rule() -> None:
    """q and s are nearly the same: each may be in another fold, of k = 2, and they are in two sources with p and r."""
    extra = pairs().take(np.array([2]))
    cluster = np.array([0, 0, 1, 2, 2, 1, 1])
    sources = {"source": column(["a", "a", "b", "a", "a", "a"])}
    table = rows_of(source_tables(prompt_groups(pairs()), 2, sources, [], [extra], cluster), LEAKS)
    assert [(row["rows"], row["or near duplicates"]) for row in table] == [(0, 1), (2, 3), (0, 2), (1, 1)]


def test_the_section_counts_near_duplicates() -> None:
    made = make_pairs(6)
    text = "Write a short story about a dragon who learns to bake bread in the city of Paris"
    prompts = column([(text,), (f"{text}!",), (f"{text} please",), ("other",), ("words",), ("here",)])
    near = Pairs(made.ids, prompts, made.response_a, made.response_b, made.label)
    section = data_section(near, prompt_groups(near), extra=[near.take(np.array([2, 3]))])
    assert "3 rows have nearly, but not quite, the prompt of another row." in section.summary
    (table,) = (table for table in section.tables if table.title == LEAKS)
    assert [row["or near duplicates"] for row in table.rows] == [2, 3, 2]  # 3 x 4/5 and 3 x 24/25 expected


def test_they_are_in_the_section() -> None:
    section = data_section(pairs(), prompt_groups(pairs()), metadata=FACTS, sources=[SourceRecord("a", "winner", 6)])
    check_section(section)
    titles = [table.title for table in section.tables]
    assert {"Sources", "Kinds of ties", "Rows that each fold rule would leak"} <= {*titles}
    assert "Languages that the data names" not in titles
