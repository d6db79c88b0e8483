"""Digests: sha256 over canonical JSON; 12 hex digits are shown, all 64 are stored."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

SHOWN_DIGITS = 12  # hex digits
RECENT_SECONDS = 1.0  # after a file has changed, in which a coarse clock might not tell that it changes once more
NEUTRAL = "neutral"  # the key in the metadata of a dataclass field
NOT_IDENTITY: Mapping[str, Any] = {"identity": False}  # the metadata of a field that decides no prediction


def digest(value: Any) -> str:
    """Return the sha256 (64 hex digits) of a value as canonical JSON.

    Keys are sorted and floats are written in Python's shortest round-trip form, so that equal values have equal digests
    on every machine.

    Raises
    ------
    ValueError
        For NaN and infinities.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def neutral(value: Any) -> Mapping[str, Any]:
    """Return the metadata of a dataclass field that was added to a recipe later.

    Parameters
    ----------
    value : JSON value
        What prefens did before the field existed. A recipe leaves the field out where it has this value, so that a new
        setting changes no digest. The value never changes, even where the field's default does.
    """
    return {NEUTRAL: value}


def identity_fields(settings: Any) -> Any:
    """Return the fields of a dataclass instance as JSON values, those that decide predictions.

    Fields with `NOT_IDENTITY` are left out, and those that have their neutral value. Nested dataclasses become
    mappings, enums their names.
    """
    if is_dataclass(settings):
        values = {
            item.name: (identity_fields(getattr(settings, item.name)), item.metadata)
            for item in fields(settings)
            if item.metadata.get("identity", True)
        }
        return {
            name: value
            for name, (value, metadata) in values.items()
            if NEUTRAL not in metadata or value != metadata[NEUTRAL]
        }
    if isinstance(settings, Enum):
        return settings.name
    return [identity_fields(item) for item in settings] if isinstance(settings, list | tuple) else settings


def file_digest(path: Path) -> str:
    """Return the sha256 (64 hex digits) of a file's bytes; one that does not change is read once in a process."""
    status = path.stat()
    identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if identity in _file_digests:
        return _file_digests[identity]
    with path.open("rb") as stream:
        value = hashlib.file_digest(stream, "sha256").hexdigest()
    if time.time_ns() - status.st_mtime_ns > RECENT_SECONDS * 1e9:
        _file_digests[identity] = value
    return value


_file_digests: dict[tuple[int, int, int, int], str] = {}  # by device, inode, size and time of the last change


def short(value: str) -> str:
    """Return the part of a digest that is shown to people."""
    return value[:SHOWN_DIGITS]
