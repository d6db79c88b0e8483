"""One table as a file of each type that can be read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet


def csv_bytes(frame: pd.DataFrame, sep: str = ",", encoding: str = "utf-8") -> bytes:
    return frame.to_csv(index=False, sep=sep).encode(encoding)


def lines_bytes(frame: pd.DataFrame) -> bytes:
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    return frame.to_parquet(index=False)


def feather_bytes(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    pyarrow.feather.write_feather(pa.Table.from_pandas(frame, preserve_index=False), stream)
    return stream.getvalue()


def stream_bytes(frame: pd.DataFrame) -> bytes:
    table, stream = pa.Table.from_pandas(frame, preserve_index=False), io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


def zip_bytes(content: bytes, *others: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/train.csv", content)
        archive.writestr("__MACOSX/._train.csv", "x")
        for name in others:
            archive.writestr(name, "x")
    return stream.getvalue()


TYPES: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "csv": csv_bytes,
    "tsv": lambda frame: csv_bytes(frame, "\t"),
    "semicolons": lambda frame: csv_bytes(frame, ";"),
    "utf-8 with a mark": lambda frame: csv_bytes(frame, encoding="utf-8-sig"),
    "utf-16": lambda frame: csv_bytes(frame, encoding="utf-16"),
    "utf-32": lambda frame: csv_bytes(frame, encoding="utf-32"),
    "json lines": lines_bytes,
    "json list": lambda frame: b"[" + b",\n".join(lines_bytes(frame).splitlines()) + b"]",
    "json in utf-16": lambda frame: lines_bytes(frame).decode().encode("utf-16"),
    "parquet": parquet_bytes,
    "feather": feather_bytes,
    "Arrow stream": stream_bytes,
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip in two parts": lambda content: gzip.compress(content[:10]) + gzip.compress(content[10:]),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstandard": lambda content: bytes(pa.compress(content, "zstd", asbytes=True)),
    "zip": zip_bytes,
    "zip of gzip": lambda content: zip_bytes(gzip.compress(content)),
}
