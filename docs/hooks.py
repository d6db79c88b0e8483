"""Pages of the site that are made of other files: settings of conf/, the API of each package, README, experiments/."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import prefens  # noqa: E402
from prefens.runner.config import CONF_DIR  # noqa: E402
from prefens.runner.help import commands, describe, extended, leaves  # noqa: E402

COPIED = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
COPIED |= {f"experiments/{path.name}": f"experiments/{path.name}" for path in sorted(ROOT.glob("experiments/*.md"))}
COMMAND_ORDER = ("train", "tune", "blend", "report", "predict", "status")  # the others follow by name


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages that are made here into the navigation."""
    for section in config.nav or []:
        if "Reference" in section:
            section["Reference"] += [{package: f"api/{package}.md"} for package in packages()]
        if "Measured" in section:
            section["Measured"] += [page for page in COPIED.values() if page.startswith("experiments/")]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    made = {new: from_root((ROOT / old).read_text("utf-8"), new) for old, new in COPIED.items()}
    made["settings.md"] = settings_page()
    made |= {f"api/{package}.md": api_page(package) for package in packages()}
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page of docs/ with links to experiments/ that are right in the site."""
    return markdown.replace("](../experiments/", "](experiments/")


def from_root(text: str, page: str) -> str:
    """Return a file of the repository with links that are right in the site."""
    to_site = "../" * page.count("/")
    text = re.sub(r"\]\((?:\.\./)?docs/", f"]({to_site}", text)
    for old, new in COPIED.items():
        text = text.replace(f"]({old}", f"]({to_site}{new}")
    return re.sub(r"\[([^\]]+)\]\((?:(?:conf|examples|prefens)(?:/[^)]*)?|experiments)\)", r"\1", text)  # no pages


def settings_page() -> str:
    """Return all settings with their values and what they mean, by command and by group."""
    known = commands()
    ordered = [*(name for name in COMMAND_ORDER if name in known), *(set(known) - set(COMMAND_ORDER))]
    lines = [
        "# Settings",
        "",
        "Each command has settings of its own, and groups that it shares with others. `name=value` sets one,",
        "`group=option` chooses a file of `conf/`, and `group.name=value` changes a setting of it. `--help` of a",
        "command shows the same for the options that were chosen, `--cfg job` what a run would use.",
        "",
        "## Commands",
    ]
    for name in [*ordered[: len(COMMAND_ORDER)], *sorted(ordered[len(COMMAND_ORDER) :])]:
        lines += ["", f"### {name}", "", f"`python -m prefens.{name}`: {known[name]}", ""]
        lines += table(CONF_DIR / f"{name}.yaml", "")
    for folder in sorted({path.parent for path in CONF_DIR.rglob("*/*.yaml")} - {CONF_DIR / "hydra" / "job_logging"}):
        group = folder.relative_to(CONF_DIR).as_posix()
        lines += ["", f"## {group}"]
        for path in sorted(folder.glob("*.yaml"), key=lambda path: path.stem):
            lines += ["", f"### {group}={path.stem}", "", describe(path).title, ""]
            if group != "experiment":
                lines += table(path, f"{group.replace('/', '.')}.")
    return "\n".join(lines) + "\n"


def table(path: Path, prefix: str) -> Iterator[str]:
    """Yield the settings of a file as the rows of a table."""
    node: dict[str, Any] = yaml.safe_load(path.read_text("utf-8")) or {}
    own = {name: value for name, value in node.items() if name not in ("hydra", "defaults", "_target_")}
    rows = [row for name, value in own.items() for row in leaves(value, name)]
    if rows:
        meanings = describe(path).meanings
        yield "| setting | value | meaning |"
        yield "|---|---|---|"
        for name, value in rows:
            cells = (f"`{prefix}{name}`", f"`{value}`", meanings.get(name, "").replace("<", "&lt;"))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    if extended(path):
        names = ", ".join(f"`{parent.stem}`" for parent in extended(path))
        yield from ("", f"The other settings are those of {names}.")


def packages() -> list[str]:
    """Return the packages that list their public names, prefens itself first."""
    found = [prefens.__name__]
    for path in sorted(Path(prefens.__path__[0]).rglob("__init__.py")):
        found.append(".".join(path.parent.relative_to(ROOT).parts))
    return [name for name in dict.fromkeys(found) if hasattr(importlib.import_module(name), "__all__")]


def api_page(package: str) -> str:
    """Return what a package is for, and an entry for each of its public names."""
    module = importlib.import_module(package)
    entries = [f"::: {origin(module, name)}\n" for name in sorted(module.__all__) if not name.startswith("__")]
    return "\n".join([f"# {package}\n", f"{module.__doc__ or ''}\n", *entries])


def origin(package: Any, name: str) -> str:
    """Return where a public name is defined; packages only hand it on."""
    value = getattr(package, name)
    defined = str(getattr(value, "__module__", ""))
    if defined.startswith("prefens.") and hasattr(value, "__qualname__"):
        return f"{defined}.{value.__qualname__}"
    inside = sorted(module for module in sys.modules if module.startswith(f"{package.__name__}."))
    holders = [module for module in inside if getattr(sys.modules[module], name, None) is value]
    return f"{(holders or [package.__name__])[0]}.{name}"
