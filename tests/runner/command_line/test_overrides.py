"""Settings before Hydra reads them: ~ is the home folder, and a refusal shows the quotes that work."""

import re
import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st

from prefens.core.errors import ConfigError
from prefens.runner.command_line.overrides import prepare, quoted

PARSER = OverridesParser.create()


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("data.path=~/a.csv", "data.path=/home/me/a.csv"),
        ('data.path="~/a.csv"', 'data.path="/home/me/a.csv"'),
        ("data.path='~/a b.csv'", "data.path='/home/me/a b.csv'"),
        ("tracking.root=~", "tracking.root=/home/me"),
        ("data.extra=[~/a.csv,'~/b.csv']", "data.extra=[/home/me/a.csv,'/home/me/b.csv']"),
        ("members={a: ~/a.csv, b: '~/b.csv'}", "members={a: /home/me/a.csv, b: '/home/me/b.csv'}"),
        ("data.path=~/a.csv,~/b.csv", "data.path=/home/me/a.csv,/home/me/b.csv"),
        ("~folds.k", "~folds.k"),
        ("+out=x/'~'", None),
        ("data.path=a/b.csv", "data.path=a/b.csv"),
        ("--config-dir=~x (1)", "--config-dir=~x (1)"),
        ("seed=0,1,2", "seed=0,1,2"),
    ],
)
def test_home(monkeypatch: pytest.MonkeyPatch, argument: str, expected: str | None) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    if expected is None:
        with pytest.raises(ConfigError):
            prepare([argument])
    else:
        assert prepare([argument]) == [expected]


REFUSED = ["a=b.csv", "a (1).csv", "数据.csv", "it's.csv", "x#1.csv", "a;b", 'a"b.csv', "~x/ä b.csv"]


@pytest.mark.parametrize("value", REFUSED)
def test_a_refusal_shows_the_quotes_that_work(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare([f"data.path={value}"])
    assert caught.value.came.startswith(f"data.path={value}: ")
    argument = shlex.split(caught.value.do.partition("shell: ")[2])
    assert prepare(argument) == argument
    assert PARSER.parse_override(argument[0]).value() == value


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@example("it's")
@example('a\\"b\\\\')
@example("null")
def test_a_quoted_text_is_that_text(text: str) -> None:
    assert PARSER.parse_override(f"data.path={quoted(text)}").value() == text


def test_lists_and_mappings_are_quoted_item_by_item() -> None:
    for typed, expected in (
        ("data.extra=[a.csv,a (1).csv]", 'data.extra=[a.csv,"a (1).csv"]'),
        ("members={a: x=1.csv, b: y.csv}", 'members={a: "x=1.csv", b: y.csv}'),
    ):
        with pytest.raises(ConfigError, match=re.escape(shlex.quote(expected))):
            prepare([typed])


def test_what_the_shell_has_cut_is_told() -> None:
    with pytest.raises(ConfigError, match=r"quote the whole for it, 'members=\{a: ...'"):
        prepare(["members={a:", "m1.csv}"])


def test_what_cannot_be_mended_gets_a_pattern() -> None:
    with pytest.raises(ConfigError, match=r"quote each path.*'members=\"a path\"'"):
        prepare(["members={a b=: x, (}"])


def test_paths_may_be_as_they_are(tmp_path: Path) -> None:
    arguments = [f"data.path={tmp_path}/a b.csv", "-m", "seed=1", "train.csv"]
    assert prepare(arguments) == arguments
