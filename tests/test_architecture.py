"""The house: imports run downwards, heavy libraries keep their place, files are short, tests mirror the package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import prefens

PACKAGE = Path(prefens.__file__).parent
TESTS = Path(__file__).parent
FLOORS = {  # a package imports from lower floors alone; commands are on floor 6
    "core": 1,
    "store": 2,
    "data": 2,
    "members": 3,
    "ensemble": 3,
    "inference": 4,
    "reporting": 4,
    "runner": 5,
}
HEAVY = {  # which packages may import a library; commands import none of them
    "torch": {"members", "data.text.token_cache"},
    "transformers": {"members", "data.text"},
    "peft": {"members"},
    "mlflow": {"store.tracking"},
    "matplotlib": {"reporting"},
    "jinja2": {"reporting"},
    "hydra": {"runner"},
    "omegaconf": {"runner"},
    "optuna": {"runner"},
    "rich": {"runner"},
}
COMMANDS = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("_"))
PROJECT_TESTS = {  # what is of no single file
    *("architecture", "benchmarks", "browser", "chaos", "constraints", "docs", "end_to_end", "fuzz", "strangers"),
    *("examples", "experiments", "external_end_to_end", "launchers", "printed_commands", "two_outcomes", "wheel"),
}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imports(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules


def within(name: str, places: set[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def floor_of(name: str) -> int:
    return FLOORS.get(name.split(".")[0], 6)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_downwards(path: Path) -> None:
    name = name_of(path)
    package = name.split(".")[0]
    ours = {module.removeprefix("prefens.") for module in imports(path) if module.startswith("prefens.")}
    others = {module for module in ours if module.split(".")[0] in {*FLOORS, *COMMANDS} - {package}}
    assert {module for module in others if floor_of(module) >= floor_of(name)} == set()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_heavy_libraries_stay_in_their_place(path: Path) -> None:
    for library, places in HEAVY.items():
        if any(within(module, {library}) for module in imports(path)):
            assert within(name_of(path), places), f"{library} is imported in {name_of(path)}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_short(path: Path) -> None:
    limit = 60 if path.parent == PACKAGE else 300
    assert len(path.read_text("utf-8").splitlines()) <= limit


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=lambda folder: folder.name)
def test_packages_have_a_sentence_and_about_twenty_files(folder: Path) -> None:
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
    assert len(list(folder.glob("*.py"))) <= 22


def test_tests_mirror_the_package() -> None:
    tests = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]
    mirrored = {path.parent / path.name.removeprefix("test_") for path in tests}
    files = {path.relative_to(PACKAGE) for path in FILES} | {Path(f"{name}.py") for name in PROJECT_TESTS}
    assert mirrored - files == set()


def test_no_test_imports_from_another() -> None:
    for path in TESTS.rglob("*.py"):
        assert not {name for name in imports(path) if name.startswith("tests.") and ".test_" in name}, path


def test_commands_import_heavy_libraries_only_when_needed() -> None:
    heavy = {"torch", "transformers", "mlflow", "sklearn", "pandas", "pyarrow", "scipy", "matplotlib"}
    show = f"print(name, *{heavy} & sys.modules.keys())"
    code = f"import importlib, sys\nfor name in {COMMANDS}: importlib.import_module('prefens.' + name); {show}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == COMMANDS
