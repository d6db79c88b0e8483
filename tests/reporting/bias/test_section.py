"""The section on biases, end to end on small data: every sentence can be said, every table is complete."""

from __future__ import annotations

import numpy as np
import pytest

from prefens.core.metrics import one_hot
from prefens.core.types import Pairs
from prefens.data.synthetic.generator import generate
from prefens.reporting.bias.estimator import Estimate
from prefens.reporting.bias.section import bias_section, departure_sentences, effect_sentence
from tests.helpers.examples import folds_of, make_pairs
from tests.helpers.pages import check_section


def test_a_section_of_generated_pairs() -> None:
    pairs = generate(500, seed=0)
    assert pairs.truth is not None
    folds = folds_of(pairs)
    section = bias_section(pairs, folds, {"floor": pairs.truth[:, 1], "votes again": one_hot(folds.label, 3)}, 60)
    check_section(section)
    assert section.name == "bias"
    effects, departures = section.tables[:2]
    assert list(effects.rows[0]) == ["response", "topic", "pairs", "votes", "truth", "floor", "votes again"]
    assert [row["clear"] for row in departures.rows][1] == 0
    assert {"bias-effects", "bias-length", "bias-families"} <= {plot.name for plot in section.plots}


def test_every_predictor_has_its_effects_though_few_have_columns() -> None:
    pairs = generate(200, seed=1)
    names = [f"m{index}" for index in range(6)]
    section = bias_section(pairs, folds_of(pairs), {name: np.full((200, 3), 1 / 3) for name in names}, 20)
    check_section(section)
    table = next(table for table in section.tables if table.title.startswith("Every effect"))
    assert [row["predictor"] for row in table.rows] == ["votes", "truth", *names]
    assert all(row["shown first"] is not None for row in table.rows)
    assert "m5" not in section.tables[0].rows[0]


@pytest.mark.parametrize("predictions", [{}, {"one": np.full((60, 3), 1 / 3)}])
def test_a_section_of_few_pairs_without_truth_or_features(pairs: Pairs, predictions: dict[str, np.ndarray]) -> None:
    section = bias_section(pairs, folds_of(pairs), predictions, 20)
    check_section(section)
    rows = {row["response"]: row for row in section.tables[0].rows}
    assert rows["with a code block"]["pairs"] == 0
    assert rows["with a code block"]["votes"] is None


def test_tiny_data_says_nothing_but_does_not_fail() -> None:
    pairs = make_pairs(12)
    section = bias_section(pairs, folds_of(pairs, k=2), {"one": np.full((12, 3), 1 / 3)}, 5)
    check_section(section)
    assert list(section.summary) == []


def test_sentences() -> None:
    assert effect_sentence("shown first", None) == ""
    refusing = effect_sentence("refusing", Estimate(-0.12, -0.14, -0.10))
    assert "wins 12.0 points less often than the other one (95 % interval 10.0 to 14.0)" in refusing
    assert effect_sentence("shown first", Estimate(0.01, -0.02, 0.04)).startswith("No effect shows")
    lists = effect_sentence("with a list, at equal length", Estimate(0.1, 0.1, 0.2))
    assert "The response with a list, at equal length, wins" in lists
    assert departure_sentences(None, []) == []  # type: ignore[arg-type]


def test_pairs_judged_in_both_orders_have_a_table() -> None:
    once = make_pairs(40, seed=3)
    both = Pairs.concatenate([once, once.swapped()])
    both.ids[:] = [str(row) for row in range(80)]
    section = bias_section(both, folds_of(both), {"biased": np.tile([0.6, 0.1, 0.3], (80, 1))}, 20)
    check_section(section)
    table = next(table for table in section.tables if table.title.startswith("Both"))
    shares = {row[""]: row["share"] for row in table.rows}
    assert shares["biased: moved"] == pytest.approx((0.5, 0.5, 0.5))
    assert shares["votes: moved"] == (0.0, 0.0, 0.0)
