"""The bias audit end to end on small data: every sentence is sayable, every table is complete."""

from __future__ import annotations

import numpy as np
import pytest

from prefens.core.errors import StoreError
from prefens.core.metrics import one_hot
from prefens.core.types import SWAP, Pairs
from prefens.data.synthetic.generator import generate
from prefens.data.text.style_counts import SCRIPTS, character_counts
from prefens.reporting.bias.audit import aligned, bias_section, departures, sentence
from prefens.reporting.bias.model_families import family, own_names
from prefens.reporting.bias.swapped_duplicates import change_under_swap, find_mates, verdicts
from prefens.reporting.language_id import LANGUAGES, language
from prefens.reporting.text_stats import COLUMNS, read_pairs, read_texts
from tests.helpers.examples import folds_of, make_pairs
from tests.helpers.pages import check_section


def test_a_section_of_generated_pairs() -> None:
    pairs = generate(500, seed=0)
    assert pairs.truth is not None
    folds = folds_of(pairs)
    section = bias_section(pairs, folds, {"floor": pairs.truth[:, 1], "votes again": one_hot(folds.label)}, 60)
    check_section(section)
    assert section.name == "bias"
    effects, departed = section.tables[:2]
    assert list(effects.rows[0]) == ["response", "topic", "pairs", "votes", "truth", "floor", "votes again"]
    assert [row["clear"] for row in departed.rows][1] == 0
    assert {"bias-effects", "bias-length", "bias-families"} <= {plot.name for plot in section.plots}


def test_every_predictor_has_its_effects_though_few_have_columns() -> None:
    pairs = generate(200, seed=1)
    names = [f"m{place}" for place in range(6)]
    section = bias_section(pairs, folds_of(pairs), {name: np.full((200, 3), 1 / 3) for name in names}, 20)
    check_section(section)
    every = next(table for table in section.tables if table.title.startswith("Every effect"))
    assert [row["predictor"] for row in every.rows] == ["votes", "truth", *names]
    assert all(row["shown first"] is not None for row in every.rows)
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


def test_rows_are_joined_by_id(pairs: Pairs) -> None:
    folds = folds_of(pairs)
    shuffled = pairs.take(np.random.default_rng(0).permutation(len(pairs)))
    assert (aligned(shuffled, folds).ids == folds.ids).all()
    with pytest.raises(StoreError, match="no texts for 1 of 60 rows"):
        aligned(pairs.take(np.arange(1, 60)), folds)
    with pytest.raises(StoreError, match="shape"):
        bias_section(pairs, folds, {"short": np.full((3, 3), 1 / 3)}, 5)


def test_sentences() -> None:
    assert sentence("shown first", None) == ""
    assert "wins 12.0 points less often than the other one (95 % interval 10.0 to 14.0)" in sentence(
        "refusing", (-0.12, -0.14, -0.10)
    )
    assert sentence("shown first", (0.01, -0.02, 0.04)).startswith("No effect shows")
    assert "The response with a list, at equal length, wins" in sentence(
        "with a list, at equal length", (0.1, 0.1, 0.2)
    )
    assert departures(None, []) == []  # type: ignore[arg-type]


def test_both_orders() -> None:
    once = make_pairs(40, seed=3)
    both = Pairs.concatenate([once, once.swapped()])
    mates = find_mates(both)
    np.testing.assert_array_equal(mates, [*range(40, 80), *range(40)])
    assert (find_mates(once) == -1).all()
    symmetric, swayed = one_hot(both.labels), np.tile([0.6, 0.1, 0.3], (80, 1))
    np.testing.assert_allclose(change_under_swap(symmetric, mates), 0.0)
    np.testing.assert_allclose(change_under_swap(swayed, mates), 0.5)
    always_first = one_hot(np.zeros(80, dtype=np.int8))
    shares = {name: values.mean() for name, values in verdicts(always_first, mates).items()}
    assert shares["the first shown both times"] == 1.0
    assert sum(shares.values()) == 1.0
    assert verdicts(symmetric, mates)["the same verdict"].all()
    assert (symmetric[mates][:, SWAP] == symmetric).all()
    both.ids[:] = [str(row) for row in range(80)]
    section = bias_section(both, folds_of(both), {"swayed": swayed}, 20)
    check_section(section)
    moved = {row[""]: row["share"] for row in next(t for t in section.tables if t.title.startswith("Both")).rows}
    assert moved["swayed: moved"] == pytest.approx((0.5, 0.5, 0.5))
    assert moved["votes: moved"] == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("I'm sorry, but I can't help with that.", {"refusals": 1, "as_ai": 0}),
        ("As an AI language model, I do not have opinions. Here is one.", {"refusals": 0, "as_ai": 1}),
        ("I cannot stress enough how good it is.", {"refusals": 1}),  # a known false alarm
        ("You can't go wrong.\n\n- one\n- two\n\n## Title\n**bold**\n```x = 1```", {"refusals": 0, "lists": 2}),
        ("# Title\n**bold** text\n\n```\n# no heading\n```", {"headings": 1, "bold": 1, "code_blocks": 1}),
        ("I am ChatGPT, made by OpenAI.", {"own_name": 1}),
        ("The most helpful person I know. He said: I am tired.", {"praise": 0, "own_name": 0}),
        ("I am a highly advanced assistant, and my answer is correct.", {"praise": 1}),
        ("   ", {"blank_turns": 1, "words": 0, "script": -1}),
        ("中文没有空格", {"words": 6, "script": SCRIPTS.index("han")}),
    ],
)
def test_what_is_read(text: str, counted: dict[str, int]) -> None:
    row = dict(zip(COLUMNS, read_texts([((text,), "gpt-4-0314")])[0].tolist(), strict=True))
    assert {name: row[name] for name in counted} == counted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the capital of France?", "English"),
        ("¿Cuál es la capital de Francia? Dime por qué.", "Spanish"),
        ("Quelle est la capitale de la France ?", "French"),
        ("Was ist die Hauptstadt von Frankreich?", "German"),
        ("フランスの首都はどこですか", "Japanese"),
        ("法国的首都是哪里", "Chinese"),
        ("Какой город столица Франции?", "Cyrillic script"),
        ("12 + 30 = ?", "no letters"),
        ("xyzzy", "unclear"),
    ],
)
def test_languages(text: str, expected: str) -> None:
    assert LANGUAGES[language(text, character_counts(text)[: len(SCRIPTS)])] == expected


def test_families() -> None:
    names = [
        "gpt-4-0314",
        "gpt35",
        "chatgpt",
        "13b-alpaca",
        "tulu_human_only_65B",
        "palm-2",
        "llama-2-70b-chat",
        "unknown",
    ]
    assert [family(name) for name in names] == ["gpt", "gpt", "gpt", "alpaca", "tulu", "google", "llama", ""]
    assert "openai" in own_names("gpt4")
    assert own_names("unknown") == ()


def test_a_subset_is_read_like_the_whole() -> None:
    pairs = make_pairs(30)
    rows = np.array([3, 7, 29])
    np.testing.assert_array_equal(read_pairs(pairs.take(rows)).values, read_pairs(pairs).values[:, rows])
    np.testing.assert_array_equal(read_pairs(pairs.swapped()).values[[0, 2, 1]], read_pairs(pairs).values)
