"""Counts in texts can be checked by hand, and are those of each pair alone."""

import numpy as np
import pytest

from prefens.data.text.style_counts import SCRIPTS
from prefens.reporting.text_stats import COLUMNS, count_texts, text_stats
from tests.helpers.examples import make_pairs


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_traits_of_a_text_are_counted(text: str, expected: dict[str, int]) -> None:
    row = dict(zip(COLUMNS, count_texts([((text,), "gpt-4-0314")])[0].tolist(), strict=True))
    assert {name: row[name] for name in expected} == expected


def test_a_subset_is_counted_like_the_whole() -> None:
    pairs = make_pairs(30)
    rows = np.array([3, 7, 29])
    np.testing.assert_array_equal(text_stats(pairs.take(rows)).counts, text_stats(pairs).counts[:, rows])
    np.testing.assert_array_equal(text_stats(pairs.swapped()).counts[[0, 2, 1]], text_stats(pairs).counts)
