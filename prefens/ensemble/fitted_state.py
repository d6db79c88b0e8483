"""The values of a fitted rule, as JSON holds them: each is checked, since a file may come from anywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from prefens.core.errors import BlendError
from prefens.core.types import Floats

DO = "blend again: python -m prefens.blend"


def read_count(state: Mapping[str, Any], name: str) -> int:
    """Return a field that is a number of things, at least 1; BlendError for another one."""
    value = state.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BlendError(f"state.{name} is {shown(value)}", "a number of 1 or more", DO)
    return value


def read_value(state: Mapping[str, Any], name: str) -> Floats | float | bool:
    """Return a field that is a number, a truth value or a list of numbers; BlendError for another one."""
    value = state.get(name)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and is_number(value):
        return value
    if not isinstance(value, list) or not all(map(is_number, value)):
        raise BlendError(f"state.{name} is {shown(value)}", "finite numbers", DO)
    return np.array(value, dtype=np.float64)


def read_number(state: Mapping[str, Any], name: str) -> float:
    """Return a field that is a finite number; BlendError for another one."""
    value = state.get(name)
    if not isinstance(value, int | float) or not is_number(value):
        raise BlendError(f"state.{name} is {shown(value)}", "a finite number", DO)
    return float(value)


def check_length(name: str, value: Any, length: int) -> None:
    """Check that a value is an array of so many numbers; BlendError where it is not."""
    if np.shape(value) != (length,):
        raise BlendError(f"state.{name} has the shape {np.shape(value)}", f"({length},)", DO)


def check_weights(name: str, value: Floats, total: float | None = None) -> None:
    """Check that no number is negative, and their sum where `total` is given; BlendError where they are others."""
    if (value < 0).any() or (total is not None and abs(float(value.sum()) - total) > 1e-6):
        wanted = "numbers of 0 or more" + ("" if total is None else f" that sum to {total:g}")
        raise BlendError(f"state.{name} is {shown(value.tolist())}", wanted, DO)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number that a float64 holds."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    )


def shown(value: Any) -> str:
    """Return a value for a message, cut to a line."""
    return "missing" if value is None else f"{value!r:.60}"
