"""The file of a member: it comes back as it was, and is refused where it says something else than its folder."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from prefens.core.errors import StoreError
from prefens.store.member_spec import read_member, write_member
from tests.helpers.examples import SPEC
from tests.helpers.stores import damage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / SPEC.name / "member.json"
    write_member(path, SPEC)
    return path


def test_a_member_comes_back_as_it_was(path: Path) -> None:
    assert read_member(path) == SPEC
    before = path.read_bytes()
    write_member(path, SPEC)
    assert path.read_bytes() == before


def test_another_recipe_of_the_same_name_is_refused(path: Path) -> None:
    other = replace(SPEC, recipe={"backbone": {"bits": 5}}, external=SPEC.name)
    with pytest.raises(StoreError, match="two recipes share a name"):
        write_member(path, other)


def test_a_changed_recipe_or_folder_is_refused(path: Path) -> None:
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "recipe": {"backbone": {"bits": 5}}}))
    with pytest.raises(StoreError, match=f"{path} describes tfidf-"):
        read_member(path)
    path.write_text(json.dumps({name: value for name, value in fields.items() if name != "seed"}))
    with pytest.raises(StoreError, match=f"{path}: seed is missing"):
        read_member(path)


@pytest.mark.parametrize("name", ["a\x1b]0;PWN\x07", "a\u202eb", "a\nb"])
def test_a_name_that_cannot_be_printed_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "member.json"
    write_member(path, replace(SPEC, backbone=None, kind=None, seed=None, external=name))
    with pytest.raises(StoreError, match="expected: a name of printable characters"):
        read_member(path)


def test_a_printed_command_is_one_command_whatever_the_name() -> None:
    name = "x; touch 'y' $(z)"
    spec = replace(SPEC, backbone=None, kind=None, seed=None, external=name)
    assert shlex.split(spec.remake.partition(": ")[2])[-2:] == ["path=FILE", f"name={name}"]


@pytest.mark.parametrize("field", ["kind", "external"])
def test_a_member_is_either_trained_here_or_external(path: Path, field: str) -> None:
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, field: None if fields[field] else SPEC.name}))
    with pytest.raises(StoreError, match=rf"{path}: external is (.|\n)*either external or backbone, kind and seed"):
        read_member(path)


@pytest.mark.parametrize("how", ["truncated", "flipped", "", "[]", "{}", "null"])
def test_a_damaged_file_is_named_and_written_again(path: Path, how: str) -> None:
    before = path.read_bytes()
    damage(path, how)
    with pytest.raises(StoreError, match=rf"{path}(.|\n)*to do: .*python -m prefens\.train"):
        read_member(path)
    write_member(path, SPEC)
    assert path.read_bytes() == before


def test_a_digest_that_has_changed_is_written_again(path: Path) -> None:
    before = path.read_bytes()
    path.write_text(json.dumps({**json.loads(before), "data_digest": "e" * 64}))
    write_member(path, SPEC)
    assert path.read_bytes() == before
