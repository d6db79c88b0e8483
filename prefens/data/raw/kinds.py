"""What a file is, told by its first bytes."""

from __future__ import annotations

import codecs

HEAD_BYTES = 1 << 16  # what is looked at

TABLES = {b"PAR1": "parquet", b"ARROW1": "feather", b"FEA1": "feather", b"\xff\xff\xff\xff": "Arrow stream"}
PACKED = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
BOMS = {  # those of UTF-32 begin like those of UTF-16
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
OTHER = {  # kinds that hold no table that is read here; they are refused by name
    b"version https://git-lfs": "a Git LFS pointer, not the file that it stands for",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"<HTML": "a web page",
    b"<?xml": "an XML document",
    b"%PDF": "a PDF document",
    b"SQLite format 3\0": "an SQLite database",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"Obj\x01": "an Avro file",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x7fELF": "a program",
}
TEXT_CONTROLS = frozenset(b"\t\n\r\f\v\x1b")


def table_kind(head: bytes) -> str | None:
    """Return the name of a binary format of tables, or None."""
    return _named(head, TABLES)


def packed_kind(head: bytes) -> str | None:
    """Return the name of a compression, or None."""
    return _named(head, PACKED)


def encoding(head: bytes) -> str | None:
    """Return the encoding that a byte-order mark names, or None: that is UTF-8 text, with or without a mark."""
    return _named(head, BOMS)


def other_kind(head: bytes) -> str | None:
    """Return what a file that holds no readable table seems to be, or None where it seems to be UTF-8 text."""
    named = _named(head, OTHER) or _named(head.lstrip(), OTHER)
    if named:
        return named
    if head[257:262] == b"ustar":
        return "a tar archive"
    start = head[:64]
    if start.count(0) > len(start) // 4 and (not start[::2].count(0) or not start[1::2].count(0)):
        return "UTF-16 text without a byte-order mark"
    controls = sum(byte < 32 and byte not in TEXT_CONTROLS for byte in head[:4096])
    return "binary data of no known format" if 0 in head and controls > len(head[:4096]) // 20 else None


def _named(head: bytes, kinds: dict[bytes, str]) -> str | None:
    return next((name for magic, name in kinds.items() if head.startswith(magic)), None)
