"""The documentation builds without a broken link, needs no network, and says of every setting what it means."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest

import prefens
from prefens.runner.config import CONF_DIR
from prefens.runner.help import commands, describe

PROJECT = Path(__file__).parent.parent
FRONT = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]


class Loaded(HTMLParser):
    """The addresses that a browser loads with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        loads = tag in ("script", "img", "iframe", "source") or named.get("rel") in ("stylesheet", "icon", "preload")
        if loads:
            self.addresses += [value for value in (named.get("src"), named.get("href")) if value]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        parser = Loaded()
        parser.feed(page.read_text("utf-8"))
        assert parser.addresses
        assert [address for address in parser.addresses if re.match(r"(https?:)?//", address)] == [], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:)?//", style.read_text("utf-8")), style


@pytest.mark.slow
def test_the_page_of_settings_has_every_setting(site: Path) -> None:
    page = (site / "settings.html").read_text("utf-8")
    for command in commands():
        assert f'id="{command}"' in page
        for name in describe(CONF_DIR / f"{command}.yaml").meanings:
            assert name.startswith("hydra") or f"<code>{name}" in page, name
    for path in CONF_DIR.glob("*/*.yaml"):
        for name in describe(path).meanings if path.parent.name != "experiment" else ():
            assert f"<code>{path.parent.name}.{name}" in page, f"{path}: {name}"


@pytest.mark.slow
def test_the_api_has_every_public_name_of_the_packages(site: Path) -> None:
    folders = [path.parent for path in sorted(Path(prefens.__path__[0]).rglob("__init__.py"))]
    names = [".".join(("prefens", *folder.relative_to(Path(prefens.__path__[0])).parts)) for folder in folders]
    packages = [module for module in map(import_module, names) if hasattr(module, "__all__")]
    assert {path.stem for path in site.glob("api/*.html")} == {package.__name__ for package in packages}
    for package in packages:
        page = (site / "api" / f"{package.__name__}.html").read_text("utf-8")
        ids = set(re.findall(r'id="([\w.]+)"', page))
        missing = [name for name in package.__all__ if not any(each.rpartition(".")[2] == name for each in ids)]
        assert [name for name in missing if not name.startswith("__")] == [], package.__name__


def test_the_readme_is_short_and_its_tables_fit() -> None:
    lines = (PROJECT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 120
    blocks = "\n".join(lines).split("```")[1::2]
    assert max(len(line) for block in blocks for line in block.splitlines()) <= 100


@pytest.mark.parametrize("name", FRONT)
def test_links_of_the_front_pages_lead_somewhere(name: str) -> None:
    text = (PROJECT / name).read_text("utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        assert (PROJECT / path).exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", (PROJECT / path).read_text("utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", ["security", "failures"])
def test_the_tests_that_a_page_names_exist(name: str) -> None:
    page = (PROJECT / "docs" / f"{name}.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if re.match(r"\| (?!---|trusted|promise|what happens)", line)]
    names = re.findall(r"`(test_\w+)`", page)
    assert len(names) > 10
    assert name != "failures" or all("`test_" in row for row in rows)
    code = "".join(path.read_text("utf-8") for path in (PROJECT / "tests").rglob("test_*.py"))
    assert [name for name in names if f"def {name}(" not in code] == []
