"""Every command that README, docs and experiments print composes, and every program that they name is there."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import MissingConfigException

from prefens.runner.config import CONF_DIR

ROOT = Path(__file__).parents[1]
TEXTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("experiments/*.md"))]
PROGRAMS = sorted(ROOT.glob("experiments/**/*.py"))
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b|\.\.\.|<")
PLUGINS = {"processes": "joblib", "joblib": "joblib", "queue": "submitit", "slurm": "submitit", "ray_cluster": "ray"}


def printed(path: Path) -> Iterator[str]:
    """Yield the lines of a text's code blocks, continued ones joined, and its spans of code."""
    text = path.read_text("utf-8").replace("\\\n", " ")
    fenced = re.compile(r"^```.*?\n(.*?)^```", re.DOTALL | re.MULTILINE)
    for block in fenced.findall(text):
        yield from block.splitlines()
    for span in re.findall(r"`([^`]+)`", fenced.sub("", text)):
        yield " ".join(span.split())


def commands() -> list[tuple[str, str]]:
    """Return command and arguments of every `python -m prefens.COMMAND ...` that says what it is given."""
    found = [re.search(r"-m prefens\.(\w+)(.*)", line) for path in TEXTS for line in printed(path)]
    pairs = {(match[1], re.sub(r"\$\{?\w+\}?", "0", match[2]).strip()) for match in found if match}
    return sorted(pair for pair in pairs if not PLACEHOLDER.search(pair[1]))


def choices(arguments: str) -> list[list[str]]:
    """Return lists of overrides in which each value of a sweep comes at least once."""
    given = [word for word in shlex.split(arguments, comments=True) if not word.startswith("-")]
    swept = [
        [f"{each.get_key_element()}={value}" for value in each.sweep_string_iterator()]
        if each.is_sweep_override()
        else [str(each.input_line)]
        for each in OverridesParser.create().parse_overrides(given)
    ]
    jobs = max(map(len, swept), default=1)
    return [list(job) for job in itertools.islice(zip(*map(itertools.cycle, swept), strict=False), jobs)] or [[]]


def missing_plugin(overrides: list[str]) -> str | None:
    names = [each.partition("=")[2] for each in overrides if each.startswith("hydra/launcher=")]
    plugins = [PLUGINS[name] for name in names]
    return next((name for name in plugins if find_spec(f"hydra_plugins.hydra_{name}_launcher") is None), None)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "arguments"), commands(), ids=" ".join)
def test_a_printed_command_composes(command: str, arguments: str) -> None:
    for overrides in choices(arguments):
        plugin = missing_plugin(overrides)
        if plugin is not None:
            pytest.skip(f"needs the launcher {plugin}")
        with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
            compose(command, overrides=overrides, return_hydra_config=True)


def test_commands_are_found_and_a_stale_one_does_not_compose() -> None:
    assert len(commands()) > 10
    assert choices("-m seed=0,1 backbone=tfidf,style,textcnn --watch # why") == [
        ["seed=0", "backbone=tfidf"],
        ["seed=1", "backbone=style"],
        ["seed=0", "backbone=textcnn"],
    ]
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"), pytest.raises(MissingConfigException):
        compose("train", overrides=choices("backbone=gone")[0])


@pytest.mark.parametrize("path", [*TEXTS, *PROGRAMS], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_named_programs_are_there_and_have_the_options(path: Path) -> None:
    lines = printed(path) if path.suffix == ".md" else path.read_text("utf-8").splitlines()
    for line in lines:
        for program, arguments in re.findall(r"\b((?:experiments|examples)/[\w/]+\.py)(.*)", line):
            source = (ROOT / program).read_text("utf-8")
            for option in re.findall(r"(?<!\S)\[?(--[\w-]+)", arguments):
                assert f'"{option}"' in source, f"{program} has no {option}"


def test_named_targets_of_make_are_there() -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    lines = [line for path in TEXTS for line in printed(path)]
    named = {match[1] for match in (re.match(r"(?:\$ )?make ([\w-]+)", line) for line in lines) if match}
    assert named
    assert named <= set(targets)
