"""What is computed once for all pairs of a data set, and looked up by every fold, seed and section."""

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from prefens.core.types import Pairs

T = TypeVar("T")

_kept: WeakKeyDictionary[Pairs, dict[str, Any]] = WeakKeyDictionary()


def cached_features(pairs: Pairs, signature: str, compute: Callable[[Pairs], T]) -> tuple[T, Any]:
    """Return features of all pairs that `pairs` were taken from, and the rows of `pairs` in them.

    They are computed at the first call for this `signature` (which names all that decides them) and
    kept in memory as long as the base pairs are. They must not depend on labels or on a split.
    """
    base = pairs if pairs.base is None else pairs.base
    known = _kept.setdefault(base, {})
    if signature not in known:
        known[signature] = compute(base)
    return known[signature], slice(None) if pairs.rows is None else pairs.rows
