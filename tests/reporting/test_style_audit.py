"""The style audit finds what generated preferences are made of."""

from __future__ import annotations

import numpy as np

from prefens.data.synthetic.generator import generate
from prefens.reporting.style_audit import MIN_RESAMPLES, Coefficients, style_section
from tests.helpers.examples import make_pairs
from tests.helpers.pages import check_section


def test_what_generated_annotators_like_is_coefficients() -> None:
    section = style_section(generate(700, seed=0), resamples=25)
    check_section(section)
    coefficients = {row["feature"]: row["coefficient"][0] for row in section.tables[0].rows}
    assert coefficients.get("refusals", coefficients.get("log apologies", -1.0)) < 0
    assert max(coefficients.get(name, 0.0) for name in ("log bold", "log headings", "has list")) > 0
    assert "25 resamples" in section.tables[0].note


def test_swapping_all_pairs_changes_no_coefficient() -> None:
    pairs = generate(300, seed=1)
    one, other = (style_section(each, resamples=20) for each in (pairs, pairs.swapped()))
    assert [row["feature"] for row in one.tables[0].rows] == [row["feature"] for row in other.tables[0].rows]
    values = [[row["coefficient"] for row in section.tables[0].rows] for section in (one, other)]
    np.testing.assert_allclose(*values, atol=1e-3)


def test_time_ends_the_resamples_and_rows_are_drawn() -> None:
    section = style_section(make_pairs(200), resamples=500, seconds=0.0, rows=100)
    check_section(section)
    assert any(sentence.startswith("Fitted to 1") for sentence in section.summary)
    assert all(f"{MIN_RESAMPLES} resamples" in table.note for table in section.tables[:1])


def test_only_what_is_clear_of_zero_is_shown() -> None:
    coefficients = Coefficients(["a", "b", "c"], np.array([1.0, -2.0, 0.5]), np.array([[0.5, 2], [-3, -1], [-0.1, 1]]))
    assert coefficients.strongest(5) == [1, 0]
    assert coefficients.strongest(1) == [1]
