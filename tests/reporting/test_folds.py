"""The section on rows and folds counts the rows and names the scheme."""

from dataclasses import replace

from prefens.reporting.folds import folds_section
from tests.helpers.examples import random_stack

FOLDS = random_stack(members=1, rows=120, seed=0).folds


def test_rows_are_counted_by_fold_and_plain_folds_are_called_leaky() -> None:
    section = folds_section(FOLDS.label, FOLDS.group, FOLDS.data_digest, FOLDS)
    assert [row["rows"] for row in section.tables[0].rows] == [24] * 5
    assert "share a fold" in section.summary[1]
    plain = replace(FOLDS, settings={**FOLDS.settings, "scheme": "stratified"})
    assert "flatters" in folds_section(FOLDS.label, FOLDS.group, "x", plain).summary[1]
    names = ["a", "b", "c", "d", "e"]
    by_source = replace(FOLDS, settings={**FOLDS.settings, "scheme": "source", "sources": names})
    section = folds_section(FOLDS.label, FOLDS.group, "x", by_source)
    assert "each fold is a source" in section.summary[1]
    assert [row["fold"] for row in section.tables[0].rows] == names
    assert folds_section(FOLDS.label, FOLDS.group, "x").tables[0].rows[0]["rows"] == 120
