"""What a new source costs is read off two blends of the same rows, joined by id, recipe and seed."""

from dataclasses import replace

import numpy as np
import pytest

from prefens.core.metrics import log_loss
from prefens.core.types import OOFStack
from prefens.ensemble.blend import Blend, make_blend
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.soft_vote import SoftVote
from prefens.reporting.new_source import new_source_section
from tests.helpers.examples import random_stack

KNOWN = random_stack(2, 120, seed=0)
SOURCES = {"scheme": "source", "k": 2, "seed": 0, "holdout": 0.0, "sources": ["a", "b"]}


def blend_of(stack: OOFStack) -> Blend:
    members = tuple(replace(info, recipe=f"r{place}") for place, info in enumerate(stack.members))
    stack = replace(stack, members=members)
    return make_blend(BlendInputs(stack.folds, stack, None, None), [SoftVote()], resamples=10)


def over_sure() -> OOFStack:
    """Return the same members on the same rows, by source and over-sure of themselves."""
    sharp = KNOWN.probabilities**3
    fold = (np.arange(120) >= 80).astype(np.int8)
    folds = replace(KNOWN.folds, fold=fold, settings=SOURCES)
    return replace(KNOWN, probabilities=sharp / sharp.sum(axis=2, keepdims=True), folds=folds)


def test_the_cost_is_the_difference_on_the_same_rows() -> None:
    new, known = blend_of(over_sure()), blend_of(KNOWN)
    for pair in ((new, known), (known, new)):
        section = new_source_section(*pair, resamples=20)
        assert section is not None
        costs, members = section.tables
        assert [row["source"] for row in costs.rows] == ["a", "b", "all"]
        assert [row["pairs"] for row in costs.rows] == [80, 40, 120]
        assert [row["trained on"] for row in costs.rows] == [40, 80, None]
        for row in costs.rows:
            cost, low, high = row["cost"]
            assert cost == pytest.approx(row["new source"] - row["known sources"])
            assert low <= cost <= high
        assert costs.rows[-1]["new source"] == pytest.approx(new.best.honest)
        assert "A new source costs" in section.summary[1]
        (reference,) = (row for row in new.leaderboard if row.kind == "reference")
        assert costs.rows[-1]["prior"] == pytest.approx(reference.scores.log_loss)  # the report's one class prior
        label = KNOWN.folds.label
        for row, mine, its in zip(members.rows, over_sure().probabilities, KNOWN.probabilities, strict=True):
            assert row["new source"] == pytest.approx(log_loss(mine, label))
            assert row["known sources"] == pytest.approx(log_loss(its, label))
            assert row["across sources"] < row["new source"]  # they are over-sure in both sources


def test_rows_and_members_of_one_split_alone_are_left_blank() -> None:
    keep = np.arange(120) < 90
    known = blend_of(replace(KNOWN.rows(keep), members=(replace(KNOWN.members[0], seed=7), KNOWN.members[1])))
    section = new_source_section(blend_of(over_sure()), known, resamples=20)
    assert section is not None
    assert section.tables[0].rows[1]["known sources"] == pytest.approx(known.losses["soft_vote"][80:90].mean())
    assert [row["known sources"] is None for row in section.tables[1].rows] == [True, False]


def test_without_a_split_by_source_there_is_no_section() -> None:
    assert new_source_section(blend_of(KNOWN), None) is None
    assert new_source_section(blend_of(KNOWN), blend_of(KNOWN)) is None
    alone = new_source_section(blend_of(over_sure()), None)
    assert alone is not None
    assert "known sources" not in alone.tables[0].rows[0]
    assert len(alone.summary) == 1
