"""The data profile: counts that can be checked by hand, and sections of any data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from prefens.core.errors import DataError
from prefens.core.types import Pairs
from prefens.data.folds import Scheme, prompt_groups
from prefens.data.synthetic.generator import generate
from prefens.reporting.data_profile.section import data_section
from prefens.reporting.section import Section
from tests.helpers.examples import column, folds_of, make_pairs
from tests.helpers.pages import check_section


def cells(section: Section, title: str, key: str, value: str) -> dict[str, object]:
    table = next(table for table in section.tables if table.title == title)
    return {row[key]: row[value] for row in table.rows}


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
    rows = cells(section, "Shared, repeated and empty", "rows with", "rows")
    assert rows["a prompt that another row has too"] == 4
    assert rows["an empty prompt"] == 1
    assert rows["an empty response"] == 1
    assert rows["both responses empty"] == 0
    assert rows["an empty turn in a response"] == 1
    assert rows["identical responses"] == 1
    assert rows["the same pair again"] == 4
    assert rows["the same pair in the other order"] == 4
    assert rows["contradictory votes on the same pair"] == 4
    assert cells(section, "Turns", "turns", "pairs") == {"1": 5, "2": 1}
    assert cells(section, "Outcomes", "outcome", "pairs") == {"A wins": 2, "B wins": 2, "tie": 2}


def test_folds_by_prompt_leak_nothing_and_plain_ones_do() -> None:
    pairs = generate(400, seed=0)
    for scheme, leaks in (("stratified_group", False), ("stratified", True)):
        folds = folds_of(pairs, scheme=Scheme[scheme])
        section = data_section(pairs, folds.group, folds, {"null text read as empty": 3})
        check_section(section)
        rows = cells(section, "Shared, repeated and empty", "rows with", "rows")
        assert (rows["a prompt that the folds used here leak"] > 0) is leaks  # type: ignore[operator]
        assert cells(section, "The data", "what", "number")["repaired: null text read as empty"] == 3


def test_tokens_are_counted_by_the_given_tokenizer_and_otherwise_left_out() -> None:
    pairs = make_pairs(30)

    def count(texts: Sequence[str]) -> list[int]:
        return [7] * len(texts)

    group = prompt_groups(pairs)
    with_tokens, without = data_section(pairs, group, count_tokens=count), data_section(pairs, group)
    assert cells(with_tokens, "Lengths, all turns together", "text, unit", "mean")["response, tokens"] == 7
    assert "response, tokens" not in cells(without, "Lengths, all turns together", "text, unit", "mean")
    assert any("no tokenizer" in text for text in without.summary)
    assert not any("no tokenizer" in text for text in with_tokens.summary)


def test_test_rows_have_a_profile_too() -> None:
    pairs = generate(60, seed=1).unlabelled()
    section = data_section(pairs, prompt_groups(pairs))
    check_section(section)
    assert {each.title for each in section.tables}.isdisjoint({"Outcomes", "Models"})


def test_folds_of_other_rows_are_refused() -> None:
    pairs = make_pairs(40)
    folds = folds_of(pairs)
    with pytest.raises(DataError, match="in another order"):
        data_section(pairs.take(np.arange(40)[::-1]), folds.group, folds)
