"""The section says who leads, how predictors agree, and what was left out; names of models are untrusted."""

from dataclasses import replace

import numpy as np

from prefens.data.folds import prompt_groups
from prefens.data.synthetic.generator import generate
from prefens.ensemble.ratings import RatingSummary, rate_models
from prefens.reporting.html import Page, render_page
from prefens.reporting.ratings.section import ratings_section
from tests.helpers.examples import column
from tests.helpers.pages import HOSTILE, Elements, check_section


def summary(rename: str | None = None, style: bool = True) -> RatingSummary:
    pairs = generate(150, 1)
    assert pairs.truth is not None
    truth = pairs.truth[:, 1]
    assert pairs.model_a is not None
    assert pairs.model_b is not None
    if rename is not None:
        a, b = (column([rename if name == "osprey-pro" else name for name in each]) for each in
                (pairs.model_a, pairs.model_b))  # fmt: skip
        pairs = replace(pairs, model_a=a, model_b=b)
    return rate_models(
        pairs, prompt_groups(pairs), {"blend": truth, "reverse": truth[:, [1, 0, 2]]}, style, resamples=4
    )


def test_the_section_has_every_table_and_a_figure() -> None:
    rated = summary()
    section = ratings_section(rated)
    best = rated.ratings[0].rows[0].model
    check_section(section)
    assert len(section.tables) == 7
    assert f"{best} is first" in section.summary[0]
    assert "0 pairs of models change" not in section.summary[2]
    assert [plot.name for plot in section.plots] == ["ratings"]
    first = section.tables[0]
    assert first.rows[0]["model"] == best
    assert set(first.rows[0]) == {"model", "comparisons", "votes", "blend", "reverse"}
    assert len(ratings_section(summary(style=False)).tables) == 4


def test_names_of_models_are_escaped() -> None:
    page = render_page(Page("t", "s", [ratings_section(summary(HOSTILE, style=False))]))
    assert len(Elements(page).of("script")) == 1
    assert not Elements(page).of("img") or all(
        str(each["src"]).startswith("data:") for each in Elements(page).of("img")
    )


def test_two_models_have_a_section() -> None:
    pairs = generate(60, 0)
    names = [column(each) for each in (["a", "b"] * 30, ["b", "a"] * 30)]
    assert pairs.truth is not None
    two = replace(pairs, model_a=names[0], model_b=names[1])
    section = ratings_section(rate_models(two, prompt_groups(two), {"blend": np.full((60, 3), 1 / 3)}, True, 5))
    check_section(section)
    assert "unknown" in section.summary[1]  # a rank correlation with equal ratings
