"""The section of the report on the ratings of the models in the data."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.reporting.ratings.section import ratings_section

__all__ = ["ratings_section"]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
