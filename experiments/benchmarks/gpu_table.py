"""The result of gpu.py as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

Row = dict[str, Any]
WORTH = 1.2  # times as fast as padding: a kernel that gains less is not worth its code


def table(result: dict[str, Any]) -> str:
    """Return the device, then a table for each kind of step."""
    return "\n".join(lines(result)) + "\n"


def lines(result: dict[str, Any]) -> Iterator[str]:
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    peak = result["peak_tflops"]
    yield f"{result['device']}, commit {result['commit']}, {versions}. Utilisation is of"
    yield f"{peak} TFLOP/s in dense bf16." if peak else "a peak that is not known: see --peak-tflops."
    yield f"Medians [range over repeats]. `{result['command']}`"
    rows: list[Row] = result["rows"]
    for kind, head in (
        ("train", "pairs/s | real tokens/s | TFLOP/s | utilisation | GiB | estimated GiB | padding"),
        ("predict", "pairs/s | real tokens/s | TFLOP/s | utilisation | GiB"),
        ("frozen", "pairs/s | real tokens/s | TFLOP/s | utilisation | GiB"),
        ("kernel", "ms | real tokens/s | GiB | largest difference to fp32 | times as fast as padding | worth it"),
    ):
        chosen = [row for row in rows if row["step"].startswith(f"{kind}:")]
        if chosen:
            columns = 2 + head.count("|") + 1
            yield from ("", f"| model | {kind} | {head} |", "|" + "---|" * columns)
            for row in chosen:
                cells = failed(row, columns) or list(
                    kernel_cells(row, rows) if kind == "kernel" else cells_of(row, peak)
                )
                name = row["step"].removeprefix(f"{kind}: ")
                yield "| " + " | ".join([row["model"], name, *cells][:columns]) + " |"


def failed(row: Row, columns: int) -> list[str]:
    """Return the cells of a step without figures; none where there are some."""
    reason = row.get("error") or ("not run: " + row["not_run"] if "not_run" in row else None)
    return [] if reason is None else [reason.replace("|", "/"), *[""] * (columns - 3)]


def cells_of(row: Row, peak: float | None) -> Iterator[str]:
    yield spread(row["pairs_per_second"])
    yield number(row.get("tokens_per_second"), ",.0f")
    yield number(row.get("tflops"), ".3g")
    yield number(row["tflops"] / peak, ".1%") if peak and "tflops" in row else ""
    yield number(row.get("gib"), ".2f")
    yield number(row.get("estimated_gib"), ".2f")
    yield number(row.get("padding"), ".0%")


def kernel_cells(row: Row, rows: Sequence[Row]) -> Iterator[str]:
    """Yield the cells of a kernel; it is compared with padding at the same dropout."""
    padding = [
        other["milliseconds"]
        for other in rows
        if "padded groups" in other["step"]
        and other["model"] == row["model"]
        and other.get("dropout") == row["dropout"]
    ]
    gain = statistics.median(padding[0]) / statistics.median(row["milliseconds"]) if padding else None
    yield spread(row["milliseconds"])
    yield number(row["tokens_per_second"], ",.0f")
    yield number(row["gib"], ".2f")
    yield number(row["largest_difference"], ".2g")
    yield number(gain, ".2f")
    yield "" if gain is None or "padded" in row["step"] else "yes" if gain >= WORTH else "no"


def spread(values: Sequence[float]) -> str:
    """Return the median and the range."""
    return f"{statistics.median(values):.3g} [{min(values):.3g}, {max(values):.3g}]"


def number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
