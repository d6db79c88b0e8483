"""JSON as strictly as orjson reads it, and the repair of what it refuses for halves of surrogate pairs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

SURROGATE = re.compile("[\ud800-\udfff]")
REPAIR = "lone surrogates replaced"


def strict_loads(text: str | bytes) -> Any:
    """Parse JSON and refuse lone surrogates, as orjson does; for machines without orjson."""
    text = text if isinstance(text, str) else text.decode()
    if "\\ud" in text.lower():
        raise ValueError("surrogates")
    return json.loads(text)


quick_loads: Callable[[str | bytes], Any]
try:
    from orjson import loads as quick_loads
except ImportError:
    quick_loads = strict_loads


def replace_surrogates(value: Any, repaired: dict[str, int]) -> Any:
    """Replace halves of surrogate pairs, which the lenient parser reads, by the replacement character.

    Parameters
    ----------
    value : object
        A parsed JSON value.
    repaired : dict of str to int
        Counts one more where something was replaced.
    """
    clean = _clean(value)
    if clean != value:
        repaired[REPAIR] = repaired.get(REPAIR, 0) + 1
    return clean


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
