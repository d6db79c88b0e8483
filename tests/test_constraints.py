"""constraints.txt pins every direct and indirect dependency, at the versions that are tested here."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"


def pins() -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in CONSTRAINTS.read_text().splitlines()]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines if line)}


def closure() -> dict[str, str]:
    """Return all that prefens[dev] needs here: name -> installed version."""
    todo, found, seen = [("prefens", frozenset({"dev"}))], {}, set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        found[canonicalize_name(name)] = package.version
        for text in package.requires or []:
            wanted = Requirement(text)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                todo.append((wanted.name, frozenset(wanted.extras)))
    found.pop("prefens")
    return found


def test_every_dependency_is_pinned_at_its_installed_version() -> None:
    known = pins()
    assert known["torch"] == "2.13.0"
    needed = {name: version.split("+")[0] for name, version in closure().items()}
    assert len(needed) > 60
    assert {name: known.get(name) for name in needed} == needed


def test_the_floor_of_each_range_admits_the_pin() -> None:
    known = pins()
    for text in distribution("prefens").requires or []:
        wanted = Requirement(text)
        if wanted.name != "prefens":
            assert wanted.specifier.contains(known[canonicalize_name(wanted.name)]), text


@pytest.mark.parametrize("line", CONSTRAINTS.read_text().splitlines())
def test_pins_are_exact_and_plain(line: str) -> None:
    assert line.count("==") == 1
    assert "+" not in line
