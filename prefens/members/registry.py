"""The kinds of members: the short word that a recipe names a class by, and the class."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from prefens.members.base import Member

GROUP = "prefens.members"  # the entry points by which installed packages add kinds: word = "module:Class"
BUILT_IN = {
    "encoder": "prefens.members.encoder:EncoderMember",
    "minilm": "prefens.members.minilm:MiniLmMember",
    "style": "prefens.members.style:StyleMember",
    "textcnn": "prefens.members.textcnn:TextCnnMember",
    "tfidf": "prefens.members.tfidf:TfidfMember",
}


def kinds() -> list[str]:
    """Return the words of all kinds, those of installed packages included."""
    return sorted({*BUILT_IN, *entry_points(group=GROUP).names})


def class_of(kind: str) -> type[Member]:
    """Return the class of a kind (KeyError for an unknown word). A word is no path: it imports no other module."""
    if kind in BUILT_IN:
        module, _, name = BUILT_IN[kind].partition(":")
        return cast(type[Member], getattr(import_module(module), name))
    return cast(type[Member], entry_points(group=GROUP)[kind].load())
