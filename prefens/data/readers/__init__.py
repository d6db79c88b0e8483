"""Formats of preference data, one file each: from the raw table of a file to pairs."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.data.readers.formats import FORMATS, Choice, Format

__all__ = ["FORMATS", "Choice", "Format"]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
