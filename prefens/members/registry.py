"""The kinds of members: the short word by which a recipe names a class, and the class."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from prefens.members.base import Member

ENTRY_POINT_GROUP = "prefens.members"  # installed packages add kinds by it: word = "module:Class"
BUILT_IN = {
    "encoder": "prefens.members.encoder:EncoderMember",
    "minilm": "prefens.members.minilm:MiniLmMember",
    "style": "prefens.members.style:StyleMember",
    "textcnn": "prefens.members.textcnn:TextCnnMember",
    "tfidf": "prefens.members.tfidf:TfidfMember",
    "wordllama": "prefens.members.wordllama:WordLlamaMember",
}


def kinds() -> list[str]:
    """Return the words of all kinds, those of installed packages included, sorted."""
    return sorted({*BUILT_IN, *entry_points(group=ENTRY_POINT_GROUP).names})


def class_of(kind: str) -> type[Member]:
    """Return the class of a kind. A word is no path: no module is imported by a name that a file could hold.

    Raises
    ------
    KeyError
        The word is unknown.
    """
    if kind in BUILT_IN:
        module, _, name = BUILT_IN[kind].partition(":")
        return cast(type[Member], getattr(import_module(module), name))
    return cast(type[Member], entry_points(group=ENTRY_POINT_GROUP)[kind].load())
