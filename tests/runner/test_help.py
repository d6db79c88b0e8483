"""Every setting is described where it is set, and --help and the program `prefens` show the descriptions."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from prefens.runner.config import CONF_DIR
from prefens.runner.help import WIDTH, commands, describe, leaves

HIDDEN = {"hydra", "defaults", "_target_"}  # how Hydra composes and builds
FILES = sorted(
    path.relative_to(CONF_DIR)
    for path in CONF_DIR.rglob("*.yaml")
    if path.parent.name not in ("experiment", "job_logging")  # these set what other files describe
)


def help_of(command: str, *overrides: str) -> str:
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        config = compose(command, overrides=list(overrides), return_hydra_config=True)
    return str(config.hydra.help.template).replace("$$", "$")


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_setting_has_a_comment(path: Path) -> None:
    described = describe(CONF_DIR / path)
    assert described.title
    own = {name: node for name, node in yaml.safe_load((CONF_DIR / path).read_text()).items() if name not in HIDDEN}
    names = [name for key, node in own.items() for name, _ in leaves(node, key)]
    assert [name for name in names if not described.meanings.get(name)] == []


def test_comments_are_read_beside_above_and_from_extended_files(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("# The base.\na: 1 # One.\nb: [1, 2] # Two.\n")
    (tmp_path / "own.yaml").write_text(
        "# @package _global_\n# The top,\n# of two lines.\ndefaults:\n  - base\n  - _self_\n\n"
        "# Above,\n# and more.\nb: 3\nc: # Outer.\n  d: '#5'\n  e: 0.5 # Inner.\nf: 2\n"
    )
    described = describe(tmp_path / "own.yaml")
    assert described.title == "The top, of two lines."
    assert described.meanings == {"a": "One.", "b": "Above, and more.", "c": "Outer.", "c.e": "Inner."}


@pytest.mark.parametrize("command", sorted(commands()))
def test_help_shows_every_setting_with_its_meaning(command: str) -> None:
    text = help_of(command)
    assert max(map(len, text.splitlines())) <= WIDTH
    for name, meaning in describe(CONF_DIR / f"{command}.yaml").meanings.items():
        if not name.startswith("hydra"):
            assert " ".join(meaning.split()) in " ".join(text.split()), name


def test_help_follows_the_options_that_were_chosen() -> None:
    text = help_of("train", "backbone=multilingual-e5-small", "training=lora")
    assert re.search(r"backbone\.prompt_prefix='query: ' +Text before each prompt", text)
    assert re.search(r"training\.lr=0\.0002 +Peak learning rate of the adapters", text)
    assert "training=lora: Low-rank adapters" in text
    assert "training=full:" not in text
    both = help_of("blend", "blender=[greedy,stack]")
    assert re.search(r"blender\.greedy\.bags=10 +Selections", both)
    assert re.search(r"blender\.stack\.style=false +Whether", both)
    assert re.search(r"blender\.greedy\.bags=10 +Selections", help_of("blend", "blender=all"))


def program(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_one_program_runs_every_command(tmp_path: Path) -> None:
    for name in commands():
        assert callable(import_module(f"prefens.{name}").main)
    said = program("prefens", "train", "--help", cwd=tmp_path).stdout
    assert said == program("prefens.train", "--help", cwd=tmp_path).stdout
    done = program("prefens", "status", f"tracking.root={tmp_path}", cwd=tmp_path)
    assert done.returncode == 1
    assert "no store in" in done.stderr


def test_an_unknown_command_is_answered_with_those_there_are(tmp_path: Path) -> None:
    done = program("prefens", "trian", cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown command 'trian' (did you mean train?)" in done.stderr
    assert all(f"prefens {name} " in done.stderr and title in done.stderr for name, title in commands().items())
    assert program("prefens", cwd=tmp_path).returncode == 0
