"""Hashed n-grams: those of the texts, each once, whatever the pieces of work."""

import re

import numpy as np
import pytest

from prefens.core.types import Pairs
from prefens.data.text import ngrams
from prefens.data.text.ngrams import character_ngrams, ngram_sets, word_ngrams
from prefens.data.text.turns import joined
from tests.helpers.examples import column, make_pairs

TEXTS = ["", " ", "one", "one two one two", "a-b, c\nd", "日本語 text", "🙂🙂 🙂", "tab\tand  space", "x" * 50]
BITS = 22  # so many columns that no two of these n-grams share one


def grams(units: list, shortest: int, longest: int) -> set:
    sizes = range(shortest, longest + 1)
    return {tuple(units[start : start + size]) for size in sizes for start in range(len(units) - size + 1)}


@pytest.mark.parametrize("sizes", [(1, 1), (1, 2), (2, 3)])
def test_words(sizes: tuple[int, int]) -> None:
    expected = [grams(re.findall(r"\w+|[^\w\s]|\n", text), *sizes) for text in TEXTS]
    check(word_ngrams(TEXTS, sizes, BITS), expected)


@pytest.mark.parametrize("sizes", [(3, 4), (2, 2)])
def test_characters(sizes: tuple[int, int]) -> None:
    expected = [set().union(*(grams([*f" {word} "], *sizes) for word in text.split())) for text in TEXTS]
    check(character_ngrams(TEXTS, sizes, BITS), expected)


def check(matrix: object, expected: list[set]) -> None:
    """The rows share as many columns as the texts share n-grams."""
    present = matrix.astype(np.int64)
    shared = [[len(left & right) for right in expected] for left in expected]
    np.testing.assert_array_equal((present @ present.T).toarray(), shared)


def test_the_sets_of_a_pair_are_what_its_texts_have(monkeypatch: pytest.MonkeyPatch) -> None:
    some = make_pairs(30)
    turns = column([(text,) for text in TEXTS])
    pairs = Pairs.concatenate([some.unlabelled(), Pairs(turns, turns, turns[::-1], turns)])
    sets = ngram_sets(pairs, (1, 2), (3, 4), 12)
    texts = [[joined(each) for each in part] for part in (pairs.prompt, pairs.response_a, pairs.response_b)]
    p, a, b = (
        np.hstack([word_ngrams(part, (1, 2), 12).toarray(), character_ngrams(part, (3, 4), 12).toarray()])[
            :, sets.columns
        ]
        for part in ([text.lower() for text in part] for part in texts)
    )
    expected = {
        "prompt": p, "only_a": a > b, "only_b": b > a, "both": a & b, "prompt_only_a": p & (a > b),
        "prompt_only_b": p & (b > a), "prompt_both": p & a & b,
    }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_array_equal(getattr(sets, name).matrix().toarray(), values, err_msg=name)
    monkeypatch.setattr(ngrams, "CHUNK_PAIRS", 7)
    again = ngram_sets(pairs, (1, 2), (3, 4), 12)
    np.testing.assert_array_equal(again.columns, sets.columns)
    np.testing.assert_array_equal(again.only_a.matrix().toarray(), sets.only_a.matrix().toarray())
