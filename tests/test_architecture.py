"""Imports run downwards, and heavy libraries stay where they belong."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import prefens

PACKAGE = Path(prefens.__file__).parent
BASE = {
    *("records", "results", "errors", "digest", "files", "threads", "gpus", "progress", "stopping", "parallel"),
    "features",
}
COMMANDS = {
    *("train", "tune", "status", "blend", "predict", "report", "import_oof", "ui", "kaggle", "server", "deliver"),
}
# What each part may import of ours, beside BASE; commands and what only they use may import anything.
ALLOWED = {
    "records": {"errors", "digest"},
    "results": {"records"},
    "errors": set(),
    "digest": set(),
    "files": {"errors"},
    "threads": {"errors"},
    "gpus": set(),
    "progress": set(),
    "stopping": set(),
    "parallel": {"progress", "threads"},
    "features": {"records"},
    "data": {"data"},
    "text": {"text"},
    "evaluation": {"blending", "evaluation", "text.style"},
    "modeling": {"modeling", "text"},
    "training": {"training", "modeling", "text"},
    "members": {"members", "modeling", "training", "text", "evaluation.metrics"},
    "ensemble": {"ensemble", "evaluation.metrics", "evaluation.bootstrap"},
    "tracking": {"tracking"},
    "schemas": set(),
    "config": {"schemas"},
    "sweep": set(),
    "command": {"config", "sweep", "training.processes"},
    "trackers": {"tracking", "config"},
    "recipes": {"config", "data", "tracking"},
    "tuning": {"evaluation", "scoring", "tracking"},
    "leases": set(),
    "standing": {"leases", "tracking.failures"},
    "scoring": {"evaluation", "leases", "tracking"},
    "racing": {"ensemble", "tracking"},
    "fold_runs": {"data", "leases", "members", "evaluation", "racing", "scoring", "tracking", "training.processes"},
    "team": {"data", "fold_runs", "members", "tracking", "training.processes"},
    "prediction": {"config", "data", "ensemble", "members", "tracking"},
    "file_prediction": {"data", "prediction"},
    "gathering": {"config", "data", "tracking"},
    "importing": {"evaluation", "gathering", "scoring", "tracking"},
    "recheck": {"prediction", "tracking"},
    "serving": {"data", "evaluation", "prediction", "tracking"},
    "blending": {"ensemble", "evaluation", "gathering", "members"},
    "blend_json": set(),
    "blend_files": {"blend_json", "blending", "ensemble", "evaluation", "tracking"},
    "blend_outputs": {
        "blend_files",
        "blending",
        "config",
        "evaluation",
        "gathering",
        "serving",
        "trackers",
        "tracking",
    },
    "postgres": set(),
    "mlflow_process": set(),
    "swapping": {"prediction", "tracking"},
    "reporting": {
        *("blend_files", "blending", "config", "data", "ensemble", "evaluation", "gathering", "leak_audit", "members"),
        *("style_audit", "trackers", "tracking"),
    },
    "bundle": {"prediction", "tracking"},
    "leak_audit": {"data", "evaluation", "members"},
    "style_audit": {"data", "evaluation", "leak_audit", "members"},
}
HEAVY = {
    "torch": {"text.token_cache", "modeling", "members", "training"},
    "transformers": {"modeling", "members", "training", "text"},
    "mlflow": {"tracking"},
    "hydra": {"config", "command", *COMMANDS},
    "omegaconf": {"schemas", "config", "command", "recipes", *COMMANDS},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            folder = PACKAGE.parent / node.module.replace(".", "/")
            modules = {alias.name for alias in node.names if (folder / f"{alias.name}.py").exists()}
            found |= {f"{node.module}.{name}" for name in modules}
            if modules != {alias.name for alias in node.names}:
                found.add(node.module)
    return found


def within(name: str, allowed: set[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in allowed)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_downwards(path: Path) -> None:
    name = name_of(path)
    part = name.split(".")[0]
    if part in COMMANDS or part == "__init__":
        return
    assert part in ALLOWED, f"{part} is new: give it a place in the table"
    allowed = ALLOWED[part] | (BASE if part not in BASE else set())
    ours = {module.removeprefix("prefens.") for module in imports(path) if module.startswith("prefens.")}
    assert {module for module in ours if not within(module, allowed)} <= {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_heavy_libraries_stay_in_their_place(path: Path) -> None:
    for library, places in HEAVY.items():
        if any(within(module, {library}) for module in imports(path)):
            assert within(name_of(path), places), f"{library} is imported in {name_of(path)}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 300


def test_commands_import_heavy_libraries_only_when_needed() -> None:
    heavy = {"torch", "transformers", "mlflow", "sklearn", "pandas", "pyarrow", "scipy", "matplotlib"}
    told = f"print(name, *{heavy} & sys.modules.keys())"
    code = f"import importlib, sys\nfor name in {sorted(COMMANDS)}: importlib.import_module('prefens.' + name); {told}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == sorted(COMMANDS)
