"""Synthetic pairs: readable chats whose outcome probabilities are known."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.data.synthetic.generator import Effects, floors, generate

__all__ = [
    "Effects",
    "floors",
    "generate",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
