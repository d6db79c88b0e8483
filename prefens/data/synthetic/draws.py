"""Random draws that are equal on every machine and Python version.

Python guarantees only for `Random.random()` that a seed gives the same sequence in later versions, so everything here
is made from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import fsum
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A stream of draws named by `key`: equal keys, equal draws."""

    def __init__(self, key: str) -> None:
        self.uniform = Random(key).random

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.uniform() < probability

    def between(self, low: int, high: int) -> int:
        """Return an integer in [low, high], all equally likely."""
        return low + int(self.uniform() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """Return one of `items`, all equally likely."""
        return items[int(self.uniform() * len(items))]

    def other(self, items: Sequence[T], than: T) -> T:
        """Return one of `items` that differs from `than`."""
        item = self.pick(items)
        while item == than:
            item = self.pick(items)
        return item

    def weighted(self, choices: Sequence[tuple[T, float]]) -> T:
        """Return one of the (item, weight) pairs' items in proportion to its weight (>= 0, any sum)."""
        left = self.uniform() * fsum(weight for _, weight in choices)  # sum() rounds otherwise from Python 3.12 on
        for item, weight in choices:
            left -= weight
            if left < 0:
                return item
        return choices[-1][0]

    def shuffled(self, items: Sequence[T]) -> Iterator[T]:
        """Yield all of `items` in random order (Fisher-Yates), drawing only for those that are taken."""
        left = list(items)
        while left:
            index = int(self.uniform() * len(left))
            left[index], left[-1] = left[-1], left[index]
            yield left.pop()

    def quantile(self, knots: Sequence[float]) -> float:
        """Draw from the distribution with these equally spaced quantiles, interpolated linearly."""
        position = self.uniform() * (len(knots) - 1)
        low = int(position)
        return knots[low] + (position - low) * (knots[low + 1] - knots[low])

    def fill(self, template: str, slots: Mapping[str, Sequence[str]], **values: object) -> str:
        """Return a template with its {slots} replaced by `values`, or else by draws from `slots`."""
        return template.format_map(_Slots(self, slots, values))


class _Slots(dict[str, object]):
    """Draws the value of a slot when a template first uses it, and keeps it for the rest of the template."""

    def __init__(self, draws: Draws, slots: Mapping[str, Sequence[str]], values: Mapping[str, object]) -> None:
        super().__init__(values)
        self._draws, self._slots = draws, slots

    def __missing__(self, name: str) -> object:
        self[name] = value = self._draws.pick(self._slots[name])
        return value
