"""A setting as it is printed for a shell arrives as the text that it was."""

import shlex

from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st

from prefens.core.quoting import typed

PARSER = OverridesParser.create()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\r"), min_size=1))
@example("it's")
@example('a\\"b\\\\')
@example("a b/数据 (1)=~#.csv")
@example("2024_01")
@example("null")
def test_a_text_survives_the_shell_and_hydra(text: str) -> None:
    (argument,) = shlex.split(typed("tracking.root", text))
    assert PARSER.parse_override(argument).value() == text
