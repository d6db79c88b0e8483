"""The data study: counts that can be checked by hand, and sections of any data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefens.core.errors import DataError
from prefens.core.types import Pairs
from prefens.data.folds import prompt_groups
from prefens.data.synthetic.generator import generate
from prefens.reporting.data_profile.duplicates import find_repeats, group_sizes, leaked_by, leaked_rows
from prefens.reporting.data_profile.profile import data_section
from prefens.reporting.data_profile.tables import standings
from prefens.reporting.section import Section
from tests.helpers.examples import column, folds_of, make_pairs
from tests.helpers.pages import check_section


def table(section: Section, title: str, key: str, value: str) -> dict[str, object]:
    found = next(each for each in section.tables if each.title == title)
    return {row[key]: row[value] for row in found.rows}


def hand_made() -> Pairs:
    """Six rows: a pair, the same again, the same in the other order with the same verdict and with another; blanks."""
    prompt = [("Hi",), ("hi!",), ("Hi",), ("Hi",), ("What?", "And?"), ("",)]
    a = [("x",), ("x",), ("y",), ("y",), ("", ""), ("same",)]
    b = [("y",), ("y",), ("x",), ("x",), ("one", ""), ("same",)]
    return Pairs(
        ids=column([str(row) for row in range(6)]),
        prompt=column([("Hi",) if row < 4 else prompt[row] for row in range(6)]),
        response_a=column(a),
        response_b=column(b),
        label=np.array([0, 0, 1, 2, 1, 2], dtype=np.int8),
        model_a=column(["m", "m", "n", "n", "m", "m"]),
        model_b=column(["n", "n", "m", "m", "n", "n"]),
    )


def test_what_is_shared_repeated_and_empty_is_counted() -> None:
    pairs = hand_made()
    section = data_section(pairs, prompt_groups(pairs))
    check_section(section)
    rows = table(section, "Shared, repeated and empty", "rows with", "rows")
    assert rows["a prompt that another row has too"] == 4
    assert rows["an empty prompt"] == 1
    assert rows["an empty response"] == 1
    assert rows["both responses empty"] == 0
    assert rows["an empty turn in a response"] == 1
    assert rows["identical responses"] == 1
    assert rows["the same pair again"] == 4
    assert rows["the same pair in the other order"] == 4
    assert rows["contradictory votes on the same pair"] == 4
    assert table(section, "Turns", "turns", "pairs") == {"1": 5, "2": 1}
    assert table(section, "Outcomes", "outcome", "pairs") == {"A wins": 2, "B wins": 2, "tie": 2}


def test_verdicts_that_agree_in_both_orders_do_not_contradict() -> None:
    once = make_pairs(20)
    both = Pairs.concatenate([once, once.swapped()])
    found = find_repeats(both)
    assert found["the same pair in the other order"].all()
    assert not found["the same pair again"].any()
    assert not found["contradictory votes on the same pair"].any()


def test_standings_are_seen_from_the_models_side() -> None:
    one, two = standings(hand_made())
    assert (one.model, one.pairs, one.won, one.tied, one.lost) == ("m", 6, 0.5, 2 / 6, 1 / 6)
    assert (two.won, two.lost) == (one.lost, one.won)
    assert sum(each.pairs * each.won for each in standings(generate(200, 0))) == pytest.approx(
        sum(each.pairs * each.lost for each in standings(generate(200, 0)))
    )


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(2, 4))
@settings(max_examples=30)
def test_the_expected_leak_is_that_of_random_folds(names: list[int], k: int) -> None:
    """The expectation is exact: the mean over all assignments of rows to folds, each as likely as any other."""
    group = column([str(name) for name in names])
    assignments = np.array([*itertools.product(range(k), repeat=len(names))], dtype=np.int8)
    leaked = [leaked_by(group, fold).sum() for fold in assignments]
    assert leaked_rows(group, k) == pytest.approx(np.mean(leaked), abs=1e-12)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(2, 6))
def test_only_rows_that_share_a_prompt_can_leak(names: list[int], k: int) -> None:
    group = column([str(name) for name in names])
    assert 0.0 <= leaked_rows(group, k) <= (group_sizes(group) > 1).sum()
    assert not leaked_by(group, np.array([name % k for name in names], dtype=np.int8)).any()


def test_folds_by_prompt_leak_nothing_and_plain_ones_do() -> None:
    pairs = generate(400, seed=0)
    for scheme, leaks in (("stratified_group", False), ("stratified", True)):
        from prefens.data.folds import Scheme

        folds = folds_of(pairs, scheme=Scheme[scheme])
        section = data_section(pairs, folds.group, folds, {"null text read as empty": 3})
        check_section(section)
        rows = table(section, "Shared, repeated and empty", "rows with", "rows")
        assert (rows["a prompt that the folds used here leak"] > 0) is leaks  # type: ignore[operator]
        assert table(section, "The data", "what", "number")["repaired: null text read as empty"] == 3


def test_tokens_are_counted_by_what_is_given_and_otherwise_left_out() -> None:
    pairs = make_pairs(30)

    def count(texts: Sequence[str]) -> list[int]:
        return [7] * len(texts)

    group = prompt_groups(pairs)
    with_tokens, without = data_section(pairs, group, count_tokens=count), data_section(pairs, group)
    assert table(with_tokens, "Lengths, all turns together", "text, unit", "mean")["response, tokens"] == 7
    assert "response, tokens" not in table(without, "Lengths, all turns together", "text, unit", "mean")
    assert any("no tokenizer" in text for text in without.summary)
    assert not any("no tokenizer" in text for text in with_tokens.summary)


def test_test_rows_have_a_study_too() -> None:
    pairs = generate(60, seed=1).unlabelled()
    section = data_section(pairs, prompt_groups(pairs))
    check_section(section)
    assert {each.title for each in section.tables}.isdisjoint({"Outcomes", "Models"})


def test_folds_of_other_rows_are_refused() -> None:
    pairs = make_pairs(40)
    folds = folds_of(pairs)
    with pytest.raises(DataError, match="in another order"):
        data_section(pairs.take(np.arange(40)[::-1]), folds.group, folds)
