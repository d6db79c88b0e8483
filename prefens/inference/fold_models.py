"""Stored fold models, loaded by the kind of their member."""

from __future__ import annotations

from pathlib import Path

from prefens.core.errors import StoreError
from prefens.members.base import Member
from prefens.members.registry import class_of, kinds
from prefens.store.member_spec import MemberSpec


def load_model(spec: MemberSpec, folder: Path, backbones: Path) -> Member:
    """Load one fold model of a member.

    Parameters
    ----------
    spec : MemberSpec
        The member.
    folder : Path
        Folder of the fold model.
    backbones : Path
        Folder of backbone files that go before the installed ones.

    Raises
    ------
    StoreError
        If the member is of an unknown kind.
    BackboneError
        If the files of its backbone are missing.
    PermissionError
        If this user may not read one of its files.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            path.open("rb").close()  # safetensors says "No such file" of one that this user may not read
    return member_class(spec).load(folder, backbones)


def member_class(spec: MemberSpec) -> type[Member]:
    """Return the class of a member's kind.

    Raises
    ------
    StoreError
        If the kind is not registered.
    """
    try:
        return class_of(str(spec.kind))
    except KeyError as error:
        raise StoreError(
            f"{spec.name} is of the kind {spec.kind!r}",
            f"one of {', '.join(kinds())}",
            "install the package that has the kind, or train the member again",
        ) from error
