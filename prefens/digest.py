"""Digests: sha256 over canonical JSON; 12 hex digits are shown, all 64 are stored."""

import hashlib
import json
from pathlib import Path
from typing import Any

SHOWN = 12


def digest(value: Any) -> str:
    """Return the sha256 (64 hex digits) of `value` as canonical JSON.

    Keys are sorted and floats are written with Python's shortest round-trip form, so equal
    values give equal digests on every machine. NaN and infinities are refused (ValueError).
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 (64 hex digits) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def short(value: str) -> str:
    """Return the part of a digest that people are shown."""
    return value[:SHOWN]
