"""The raw rows of a file of any type, told by its content: columns as Arrow arrays, and the rows that can't be read."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.data.raw.read import read_raw, read_table
    from prefens.data.raw.table import RawTable, from_arrow

__all__ = ["RawTable", "from_arrow", "read_raw", "read_table"]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
