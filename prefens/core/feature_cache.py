"""Features that are computed once for all pairs of a data set, and used by every fold, seed and report section."""

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from prefens.core.types import Pairs

T = TypeVar("T")

_cache: WeakKeyDictionary[Pairs, dict[str, Any]] = WeakKeyDictionary()


def cached_features(pairs: Pairs, signature: str, compute: Callable[[Pairs], T]) -> tuple[T, Any]:
    """Return the features of all pairs of a data set, and the rows of `pairs` among them.

    The features are computed at the first call with this signature, and stay in memory as long as the data set does.

    Parameters
    ----------
    pairs : Pairs
        Some pairs of a data set, or all of them.
    signature : str
        Names everything that decides the features.
    compute : callable
        Returns the features of all pairs; they must not depend on labels or on a split.

    Returns
    -------
    features : whatever `compute` returns
    rows : slice or (m,) int64
        Positions of `pairs` in the data set.
    """
    base = pairs if pairs.base is None else pairs.base
    features = _cache.setdefault(base, {})
    if signature not in features:
        features[signature] = compute(base)
    return features[signature], slice(None) if pairs.rows is None else pairs.rows
