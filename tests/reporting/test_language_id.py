"""Languages are told by script and function words."""

import pytest

from prefens.data.text.style_counts import SCRIPTS, character_counts
from prefens.reporting.language_id import LANGUAGES, guess_language


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
    assert LANGUAGES[guess_language(text, character_counts(text)[: len(SCRIPTS)])] == expected
