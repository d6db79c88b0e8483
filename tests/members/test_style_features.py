"""Laws of the style features: swap-symmetric, finite, local to their row, linear in time; and small examples."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefens.core.types import PairFeatures, Pairs, Strings
from prefens.data.text.style_counts import COUNTS, WORD, response_counts, split_words, words_of
from prefens.members.style_features import FLAGS, extract, features

Turns = tuple[str, ...]

MEGABYTE = 10**6
SIGNS = ["", " ", "\n", "\0", "\u200b", "\ufeff", "\ud800", "?", "```", "``` ", "*" * 7, "#", "| |", "1. ", "0", "'"]
SCRIPTS = [
    "\U0001f642",
    "\U0010ffff",
    "e\u0301",
    "\u0130",
    "\u0645\u0631",
    "\u4f60\u597d\u3002",
    "\u0928\u092e",
    "\u0663",
]
LONG = [
    "a",
    " ",
    "\n",
    "\t",
    "`",
    "*",
    "#",
    "|",
    "1.",
    "- ",
    ". ",
    "'",
    "ab ",
    "\n ",
    "\\",
    "\u4f60",
    "\U0001f642",
    "\u0301",
]

phrase = st.sampled_from(["The answer", " is", " 42.", "\n- one", "\n- two", "\n# Title\n", "Sorry, but I can't.", "?"])
text = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(SIGNS + SCRIPTS) | phrase, max_size=8).map("".join))
turns = st.lists(text, max_size=3).map(tuple)
triples = st.lists(st.tuples(turns, turns, turns), min_size=1, max_size=4)


def column(texts: list[Turns]) -> Strings:
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def make(rows: list[tuple[Turns, Turns, Turns]]) -> Pairs:
    prompt, a, b = (column([row[side] for row in rows]) for side in range(3))
    return Pairs(np.array([str(row) for row in range(len(rows))], dtype=object), prompt, a, b)


def odd_of(prompt: str, a: str, b: str) -> dict[str, float]:
    found = features(make([((prompt,), (a,), (b,))]))
    return dict(zip(found.names_odd, found.odd[0].tolist(), strict=True))


def even_of(prompt: str, a: str, b: str) -> dict[str, float]:
    found = features(make([((prompt,), (a,), (b,))]))
    return dict(zip(found.names_even, found.even[0].tolist(), strict=True))


def count(*turns: str) -> dict[str, int]:
    return dict(zip(COUNTS, response_counts(turns, words_of(turns)), strict=True))


def assert_sound(found: PairFeatures, rows: int) -> None:
    assert (found.odd.shape, found.even.shape) == ((rows, len(found.names_odd)), (rows, len(found.names_even)))
    for matrix in (found.odd, found.even):
        assert matrix.dtype == np.float64
        assert np.isfinite(matrix).all()
        assert np.abs(matrix).max(initial=0.0) < 100.0  # logarithms, shares and indicators are tame


@given(triples)
@settings(max_examples=60)
def test_swapping_negates_the_odd_features_and_keeps_the_even_ones(rows: list[tuple[Turns, Turns, Turns]]) -> None:
    pairs = make(rows)
    found, swapped = features(pairs), features(pairs.swapped())
    assert_sound(found, len(rows))
    np.testing.assert_array_equal(swapped.odd, -found.odd)
    np.testing.assert_array_equal(swapped.even, found.even)


@given(triples)
@settings(max_examples=20)
def test_a_row_depends_on_its_own_texts_only(rows: list[tuple[Turns, Turns, Turns]]) -> None:
    whole = features(make(rows))
    for place, row in enumerate(rows):
        alone = features(make([row]))
        np.testing.assert_allclose(alone.odd[0], whole.odd[place], atol=1e-12)
        np.testing.assert_allclose(alone.even[0], whole.even[place], atol=1e-12)


@given(triples)
@settings(max_examples=20)
def test_equal_responses_differ_in_nothing(rows: list[tuple[Turns, Turns, Turns]]) -> None:
    found = features(make([(prompt, a, a) for prompt, a, _ in rows]))
    assert not found.odd.any()
    assert found.even[:, found.names_even.index("same_words")].all()


@given(st.text(st.characters(max_codepoint=127)))
def test_both_tokenisers_agree_where_both_apply(ascii_text: str) -> None:
    assert split_words(ascii_text) == WORD.findall(ascii_text.lower().replace("'", ""))


def test_every_combination_of_hostile_texts_is_finite() -> None:
    sides: list[Turns] = [(), ("", ""), *((text,) for text in SIGNS + SCRIPTS)]
    rows = [(sides[(i * j) % len(sides)], a, b) for i, a in enumerate(sides) for j, b in enumerate(sides)]
    assert_sound(features(make(rows)), len(rows))


@pytest.mark.parametrize("unit", LONG)
def test_a_megabyte_on_end_takes_linear_time(unit: str) -> None:
    long = (unit * (MEGABYTE // len(unit.encode())),)
    start = time.process_time()
    assert_sound(features(make([(("hi",), long, ("no",)), (long, ("hi",), ("no",))])), 2)
    assert time.process_time() - start < 5.0  # a quadratic step would take minutes


def test_no_pairs_give_empty_matrices_with_the_same_names() -> None:
    nothing, something = features(make([])), features(make([(("p",), ("a",), ("b",))]))
    assert_sound(nothing, 0)
    assert (nothing.names_odd, nothing.names_even) == (something.names_odd, something.names_even)
    assert len({*nothing.names_odd}) == len(nothing.names_odd)
    assert len({*nothing.names_even}) == len(nothing.names_even)


def test_worker_processes_can_be_given_the_work() -> None:
    assert pickle.loads(pickle.dumps(extract)) is extract


def test_layout_is_counted_outside_code_blocks() -> None:
    code = "python\n# no heading\n- no bullet\n"
    text = f"# Title\n\n- one\n* two\n1. three\n12) four\n\n```{code}```\n|a|b|\n**bold** and `code`"
    expected = {"headings": 1, "bullets": 2, "numbered": 2, "table_rows": 1, "bold": 1, "inline_code": 1, "lines": 7}
    expected |= {"code_blocks": 1, "code_chars": len(code)}
    found = count(text)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("I'm sorry, but I can\u2019t help with that.", {"refusals", "apologies"}),
        ("As an AI language model I have no opinion.", {"self_references"}),
        ("Sure! Here is the list.", {"openers"}),
        ("Hello, Ann!", {"greetings"}),
        ("It is 4. Let me know if you need more.", {"closers"}),
        ("It is four, and", {"unfinished"}),
        ("Which one do you mean?", {"ends_asking"}),
        ("the end.", {"starts_lower"}),
        ("Four.", set()),
    ],
)
def test_manners_are_recognised(text: str, names: set[str]) -> None:
    found = count(text)
    assert {name for name in (*FLAGS, "apologies") if found[name]} == names


def test_every_turn_can_open_with_a_refusal_and_only_the_last_can_break_off() -> None:
    found = count("I cannot say", "I am unable to. Done.")
    assert (found["turns"], found["refusals"], found["unfinished"]) == (2, 2, 0)


def test_characters_are_counted_by_script_and_kind() -> None:
    expected = {"latin": 2, "cyrillic": 2, "han": 2, "kana": 1, "hangul": 1, "arabic": 1, "capitals": 2, "digits": 2}
    expected |= {"questions": 1, "parentheses": 1}
    found = count("Ab \u0416\u0436 \u4f60\u597d \u3053 \ud55c \u0645 12 (?)")
    assert {name: found[name] for name in expected} == expected


def test_words_of_any_script() -> None:
    assert split_words("Don\u2019t \u4f60\u597d, e\u0301t\u00e9!") == ["dont", "\u4f60", "\u597d", "e\u0301t\u00e9"]
    assert split_words("\u0939\u093f\u0928\u094d\u0926\u0940 \u0645\u0631\u062d\u0628\u0627\u061f") == [
        "\u0939\u093f\u0928\u094d\u0926\u0940",
        "\u0645\u0631\u062d\u0628\u0627",
    ]


def test_odd_features_of_small_examples() -> None:
    found = odd_of("Name two rivers.", "- Rhine\n- Rhine", "Name two")
    expected = {"has_list": 1.0, "log_words": 0.0, "distinct_share": -0.5, "repeated_lines": 0.5, "repeated_pairs": 0.0}
    expected |= {"prompt_used": -2 / 3, "pairs_from_prompt": -1.0, "log_own_words": np.log(2 / 3)}
    expected |= {"items_missed": -np.log(3 / 2)}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert odd_of("Hi", "\u041f\u0440\u0438\u0432\u0435\u0442", "Hello")["other_script"] == 1.0
    assert odd_of("Hi", "\u200b", "Hello")["wordless"] == 1.0


def test_length_counts_by_what_the_prompt_asks_for() -> None:
    brief, plain = odd_of("Be brief.", "a b c", "a"), odd_of("Go.", "a b c", "a")
    assert brief["longer_for_brief"] == brief["longer"] == plain["longer"] == pytest.approx(np.tanh(np.log(2)))
    assert plain["longer_for_brief"] == 0.0


def test_even_features_of_small_examples() -> None:
    found = even_of("List 3 birds, e.g. `owl`?", "Red robin", "red Wren")
    expected = {"words_shared": 1 / 3, "pairs_shared": 0.0, "gap_log_words": 0.0, "sum_log_words": 2 * np.log(3)}
    expected |= {"prompt_list": 1.0, "prompt_has_question": 1.0, "prompt_has_number": 1.0, "prompt_code": 0.0}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["same_words"] == found["same_start"] == 0.0
    same = even_of("Hi", "Hello there, Ann.", "Hello there, Ann.")
    assert same["words_shared"] == same["near_copies"] == same["same_start"] == same["same_words"] == 1.0
