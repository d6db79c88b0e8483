"""Linked files are the same files where the file system allows, and equal ones where not."""

import os
from pathlib import Path

import pytest

from prefens.files import link_tree


@pytest.mark.parametrize("links", [True, False])
def test_a_linked_folder_has_what_was_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("not on this file system")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "from" / "sub").mkdir(parents=True)
    for name in ("sub/weights", ".lock"):
        (tmp_path / "from" / name).write_text("text")
    (tmp_path / "from" / "alias").symlink_to("sub/weights")
    link_tree(tmp_path / "from", tmp_path / "to", leave_out=[".*"])
    files = {path.relative_to(tmp_path / "to").as_posix(): path for path in (tmp_path / "to").rglob("*")}
    assert files.keys() == {"sub", "sub/weights", "alias"}
    assert not files["alias"].is_symlink()
    assert files["alias"].read_text() == "text"
    assert files["sub/weights"].samefile(tmp_path / "from/sub/weights") == links
