"""What settings mean: the comments of conf/, the one place where a setting is described.

The convention of every YAML file: the comment at its top says what the file is. A setting's comment stands on the
setting's line, or on the lines just above it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from prefens.runner.config import CONF_DIR

WIDTH = 100  # columns of --help
NAME_WIDTH = 32  # columns for name=value in --help; what is longer has a line of its own

_SETTING = re.compile(r"( *)([\w-]+):(?:\s|$)(.*)")


@dataclass(frozen=True)
class Described:
    """A YAML file of conf/ in words.

    Attributes
    ----------
    title : str
        What the file is: the comment at its top.
    meanings : dict of str to str
        The comment of each setting, by dotted name.
    """

    title: str
    meanings: dict[str, str]


def describe(path: Path) -> Described:
    """Return what a file of conf/, and the files of its folder that it extends, say of their settings."""
    lines = path.read_text("utf-8").splitlines()
    top = next((row for row, line in enumerate(lines) if not line.startswith("#")), len(lines))
    title = " ".join(line.lstrip("# ") for line in lines[:top] if not line.startswith("# @package"))
    meanings: dict[str, str] = {}
    for parent in extended(path):
        meanings |= describe(parent).meanings
    return Described(title, meanings | dict(_comments(lines[top:])))


def extended(path: Path) -> list[Path]:
    """Return the files of its own folder that a file of conf/ extends."""
    defaults = (yaml.safe_load(path.read_text("utf-8")) or {}).get("defaults", ())
    names = [str(item).partition("@")[0] for item in defaults]  # name@package puts it elsewhere
    return [parent for name in names if (parent := path.parent / f"{name}.yaml").exists()]


def commands() -> dict[str, str]:
    """Return what each command does, by its name."""
    titles = {path.stem: describe(path).title for path in sorted(CONF_DIR.glob("*.yaml"))}
    return {name: title.partition(": ")[2] for name, title in titles.items()}


def leaves(node: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted name of each setting of a plain container, and its value as the command line takes it."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            if key != "_target_":
                yield from leaves(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, _typed(node)


def settings_help(root: DictConfig) -> str:
    """Return the groups and the settings of a composed command, each setting with its value and what it means.

    The command's own settings are first, then those of each group under a line that says which option was chosen.
    """
    values: dict[str, Any] = OmegaConf.to_container(root, resolve=False)  # type: ignore[assignment]
    choices = {name: choice for name, choice in root.hydra.runtime.choices.items() if "/" not in name}
    groups = sorted(name for name in {*choices, *values} if name != "hydra" and _files(name))
    options = [_row(f"{group}=", ", ".join(path.stem for path in _files(group))) for group in groups]
    own = describe(CONF_DIR / f"{root.hydra.job.config_name}.yaml").meanings
    scalars = {name: node for name, node in values.items() if name != "hydra" and (name not in groups or not node)}
    lines = ["Groups, as group=option:", *options, "", "Settings, as name=value:", *_rows(scalars, own)]
    for group in [name for name in values if name in groups and values[name]]:
        chosen = {path.stem: describe(path) for path in _files(group, choices.get(group) or values[group])}
        titles = [f"{group}={name}: {option.title}" for name, option in chosen.items()] or [own.get(group, "")]
        meanings = {f"{group}.{name}": text for option in chosen.values() for name, text in option.meanings.items()}
        lines += [
            "",
            *(textwrap.fill(title, WIDTH) for title in titles),
            *_rows({group: values[group]}, meanings | own),
        ]
    return "\n".join(lines).replace("$", "$$")  # Hydra takes the text for a string.Template


def _comments(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the comment of each setting that has one."""
    place: list[str] = []
    above: list[str] = []
    for line in lines:
        if line.lstrip().startswith("#"):
            above.append(line.lstrip("# "))
            continue
        setting = _SETTING.match(line)
        if setting:
            indent, name, value = setting.groups()
            place[len(indent) // 2 :] = [name]
            beside = f" {value}".partition(" # ")[2]
            if above or beside:
                yield ".".join(place), " ".join([*above, beside]).strip()
        above = []


def _files(group: str, chosen: str | Collection[str] | None = None) -> list[Path]:
    """Return the files of a group, or those of the chosen options."""
    files = sorted((CONF_DIR / group).glob("*.yaml"), key=lambda path: path.stem)
    names = [chosen] if isinstance(chosen, str) else chosen
    return files if names is None else [path for path in files if path.stem in names]


def _rows(values: Any, meanings: Mapping[str, str]) -> list[str]:
    return [_row(f"{name}={value}", meanings.get(name, "")) for name, value in leaves(values)]


def _row(left: str, right: str) -> str:
    """Return a name and a text beside it, in `WIDTH` columns."""
    indent = " " * (NAME_WIDTH + 4)
    text = textwrap.fill(right, WIDTH, initial_indent=indent, subsequent_indent=indent)
    if len(left) > NAME_WIDTH and text:
        return f"  {left}\n{text}"
    return f"  {left:<{NAME_WIDTH}}{text[NAME_WIDTH + 2 :]}".rstrip()


def _typed(value: Any) -> str:
    """Return a value as one types it."""
    if isinstance(value, str):
        return value if re.fullmatch(r"\S+", value) else f"'{value}'"
    plain = str(yaml.safe_dump(value, default_flow_style=True, width=10_000))
    return plain.partition("\n")[0].replace(", ", ",")


OmegaConf.register_new_resolver("prefens.settings", lambda *, _root_: settings_help(_root_), replace=True)
