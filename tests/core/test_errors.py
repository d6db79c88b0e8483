"""Errors reach a terminal as text alone."""

import pickle

import pytest

from prefens.core.errors import DataError, counted, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("id \x1b]52;c;UFdO\x07\x1b[31m", "id \ufffd]52;c;UFdO\ufffd\ufffd[31m"),
        ("a\rb\x9bc\x7f\x00", "a\ufffdb\ufffdc\ufffd\ufffd"),
        ("abc\u202ecba \u2066x", "abc\ufffdcba \ufffdx"),
        ("é\xa0好\u3000👩\u200d👩 \u2028", "é\xa0好\u3000👩\u200d👩 \ufffd"),
        ("line\n\tline", "line\n\tline"),
    ],
)
def test_control_characters_are_replaced(text: str, shown: str) -> None:
    error = DataError(text, text, text)
    for each in (error, pickle.loads(pickle.dumps(error))):
        assert (each.came, each.expected, each.do) == (shown,) * 3
        assert str(each) == f"{shown}\n  expected: {shown}\n  to do:    {shown}"
    assert printable(text) == shown


def test_a_noun_agrees_with_its_number() -> None:
    assert [counted(count, "pair") for count in (0, 1, 2, 1234)] == ["0 pairs", "1 pair", "2 pairs", "1,234 pairs"]
