"""Damaged and edited copies of a file: bytes of any file, and the content of JSON, parquet and safetensors files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

Mutation = Callable[[Path, np.random.Generator], str]

WHOLE = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\x00" * 64,
    b"PK\x03\x04",
    b"PAR1PAR1",
    b"\x1f\x8b\x08\x00",
    b"SQLite format 3\x00",
)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 3, 10**30, 1e308, float("nan"), float("inf"), -0.5),
    *("", "x", "../../x", "\x00", [], [1], {}, {"a": 1}, [[]], [None]),
)
ODD_NUMBERS = (float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 2.0, 1e300)


def mutate(path: Path, generator: np.random.Generator) -> str:
    """Change a file in one place, as its suffix allows, and say how. Its inode changes, as where it is replaced."""
    mutations = [_mutate_bytes, _mutate_bytes, *CONTENT.get(path.suffix, [])]
    while True:
        before = path.read_bytes()
        mutation = mutations[generator.integers(len(mutations))](path, generator)
        if path.read_bytes() != before:
            return mutation


def replace(path: Path, content: bytes) -> None:
    """Write a file anew, beside what may be a hard link elsewhere."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _mutate_bytes(path: Path, generator: np.random.Generator) -> str:
    content = path.read_bytes()
    start, end = sorted(generator.integers(0, len(content) + 1, size=2).tolist())
    end = min(end, start + int(generator.integers(1, 200)))
    kind = generator.integers(8)
    if kind == 0:
        content, name = content[:start], f"cut at byte {start}"
    elif kind == 1 and content:
        bit = int(generator.integers(len(content) * 8))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        content, name = bytes(flipped), f"bit {bit} flipped"
    elif kind == 2:
        content, name = content[:start] + content[end:], f"bytes {start} to {end} missing"
    elif kind == 3:
        content, name = content[:end] + content[start:], f"bytes {start} to {end} twice"
    elif kind == 4:
        content, name = content[:start] + generator.bytes(end - start + 1) + content[end:], f"noise from byte {start}"
    elif kind == 5:
        content, name = content[:start] + bytes(end - start) + content[end:], f"bytes {start} to {end} are zero"
    elif kind == 6:
        content = [*WHOLE, POINTER][int(generator.integers(len(WHOLE) + 1))]
        name = f"all of it is {content[:20]!r}"
    else:
        content, name = content + generator.bytes(50), "50 bytes more"
    replace(path, content)
    return name


def _mutate_json(path: Path, generator: np.random.Generator) -> str:
    content = json.loads(path.read_text("utf-8"))
    places = [*_places(content)]
    holder, key, name = places[generator.integers(len(places))]
    kind = generator.integers(4)
    if kind == 0:
        del holder[key]
        change = f"{name} is missing"
    elif kind == 1 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = ODD_NUMBERS[generator.integers(len(ODD_NUMBERS))]
        change = f"{name} is {holder[key]}"
    elif kind == 2 and isinstance(holder[key], list) and holder[key]:
        holder[key] = holder[key] * 2 if generator.random() < 0.5 else holder[key][:-1]
        change = f"{name} has {len(holder[key])} items"
    else:
        holder[key] = ODD_VALUES[generator.integers(len(ODD_VALUES))]
        change = f"{name} is {holder[key]!r}"
    replace(path, json.dumps(content).encode())
    return change


def _places(content: Any, name: str = "") -> Iterator[tuple[Any, Any, str]]:
    """Yield each place of a JSON value, with what holds it."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield content, key, f"{name}.{key}".lstrip(".")
        yield from _places(value, f"{name}.{key}")


def _mutate_parquet(path: Path, generator: np.random.Generator) -> str:
    table = pq.read_table(path)
    place = int(generator.integers(table.num_columns))
    name, column = table.column_names[place], table.column(place)
    row = int(generator.integers(max(1, table.num_rows)))
    kind = generator.integers(8)
    if kind == 0:
        table, change = table.drop_columns([name]), f"no column {name}"
    elif kind == 1:
        table, change = (
            table.rename_columns([f"{each}x" if each == name else each for each in table.column_names]),
            f"{name} renamed",
        )
    elif kind == 2:
        table, change = table.slice(0, row), f"{row} rows"
    elif kind == 3:
        table, change = pa.concat_tables([table, table.slice(row, 1)]), f"row {row} twice"
    elif kind == 4:
        table, change = table.take(generator.permutation(table.num_rows)), "rows in another order"
    elif kind == 5:
        cells = column.to_pylist()
        number = isinstance(cells[row], float | int) and not isinstance(cells[row], bool)
        cells[row] = ODD_NUMBERS[generator.integers(len(ODD_NUMBERS))] if number and generator.random() < 0.7 else None
        if pa.types.is_integer(column.type) and cells[row] is not None:
            cells[row] = 99
        table, change = (
            table.set_column(place, name, pa.array(cells, column.type)),
            f"{name} of row {row} is {cells[row]}",
        )
    elif kind == 6:
        other = pa.array([str(cell) for cell in column.to_pylist()])
        table, change = table.set_column(place, name, other), f"{name} is text"
    else:
        metadata = dict(table.schema.metadata or {})
        key = next(iter(metadata), None)
        changed = {} if key is None or generator.random() < 0.3 else {**metadata, key: b"null"}
        table, change = table.replace_schema_metadata(changed), f"metadata {key!r} changed"
    path.unlink()
    pq.write_table(table, path)
    return change


def _mutate_tensors(path: Path, generator: np.random.Generator) -> str:
    tensors = load_file(path)
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    name = sorted(tensors)[generator.integers(len(tensors))]
    tensor = tensors[name]
    kind = generator.integers(7)
    if kind == 0:
        del tensors[name]
        change = f"no {name}"
    elif kind == 1:
        tensors[f"{name}.x"] = tensors.pop(name)
        change = f"{name} renamed"
    elif kind == 2:
        tensors[name] = tensor.reshape(-1)[: tensor.size // 2].copy()
        change = f"half of {name}"
    elif kind == 3:
        tensors[name] = np.concatenate([tensor.reshape(-1)] * 2)
        change = f"{name} twice as long"
    elif kind == 4:
        tensors[name] = tensor.astype(np.float64 if tensor.dtype != np.float64 else np.int32)
        change = f"{name} of another type"
    elif kind == 5:
        tensors[name] = tensor[None].copy()
        change = f"{name} with one dimension more"
    else:
        changed = tensor.copy().reshape(-1)
        if changed.size:
            odd = ODD_NUMBERS[generator.integers(3)] if changed.dtype.kind == "f" else 2**31 - 1
            with np.errstate(all="ignore"):
                changed[generator.integers(changed.size)] = np.asarray(odd).astype(changed.dtype)
        tensors[name] = changed.reshape(tensor.shape)
        change = f"a value of {name} is odd"
    path.unlink()
    save_file(tensors, path, metadata)
    return change


CONTENT: dict[str, list[Mutation]] = {
    ".json": [_mutate_json] * 4,
    ".parquet": [_mutate_parquet] * 3,
    ".safetensors": [_mutate_tensors] * 3,
}
