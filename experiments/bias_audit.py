"""The bias audit, style coefficients and leak audit of one file: tables as Markdown on stdout, figures as PNG.

    python experiments/bias_audit.py train.csv [--meta meta.csv --keep protocol=three-class] [--figures DIR --only NAME]

The audit is of the votes and of the style member, fitted with one strength over five grouped folds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prefens.core.resources import limit_threads
from prefens.core.types import Pairs
from prefens.data.folds import FoldSettings, make_folds
from prefens.data.load import load_pairs
from prefens.members.style import StyleMember
from prefens.reporting.bias.section import bias_section
from prefens.reporting.leak_audit import leak_section, out_of_fold
from prefens.reporting.plots import save_plot
from prefens.reporting.section import ReportTable, Section
from prefens.reporting.style_audit import style_section


def read(path: Path, meta: Path | None, keep: str | None) -> Pairs:
    """Read labelled pairs; with `keep`, COLUMN=VALUE, those that the file `meta` has this value for."""
    pairs = load_pairs(path).pairs
    if meta is not None and keep is not None:
        column, value = keep.split("=", 1)
        values = pd.read_csv(meta, dtype=str).set_index("id")[column]
        pairs = pairs.take(np.array([values[name] == value for name in pairs.ids]))
    return pairs.take(np.argsort(pairs.ids))


def format_cell(cell: Any, digits: int) -> str:
    """Return a table's cell as text."""
    if cell is None:
        return ""
    if isinstance(cell, tuple):
        return f"{cell[0]:+.{digits}f} [{cell[1]:+.{digits}f}, {cell[2]:+.{digits}f}]"
    return f"{cell:.{digits}f}" if isinstance(cell, float) else str(cell)


def markdown(table: ReportTable) -> str:
    """Return a table in Markdown, without rows that have no estimate."""
    names = list(table.rows[0])
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    estimated = [row for row in table.rows if any(isinstance(cell, tuple | float) for cell in row.values())]
    lines += ["| " + " | ".join(format_cell(cell, table.digits) for cell in row.values()) + " |" for row in estimated]
    return f"\n### {table.title}\n\n" + "\n".join(lines)


def report(section: Section, figures: Path | None, only: list[str]) -> None:
    """Print a section, and save those of its figures that are asked for."""
    print(f"\n## {section.title}\n")
    print("\n".join(f"- {sentence}" for sentence in section.summary))
    for table in section.tables:
        print(markdown(table))
    for plot in section.plots:
        print(f"\nFigure {plot.name}: {plot.finding}")
        if figures is not None and plot.name in only:
            save_plot(plot, figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--meta", type=Path)
    parser.add_argument("--keep", help="COLUMN=VALUE of the meta file")
    parser.add_argument("--figures", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    limit_threads()
    pairs = read(arguments.path, arguments.meta, arguments.keep)
    folds = make_folds(pairs, FoldSettings())
    print(f"{len(pairs)} pairs, data digest {folds.data_digest[:12]}")
    style = out_of_fold(pairs, folds, lambda: StyleMember("style", strengths=[0.01]))
    for section in (bias_section(pairs, folds, {"style": style}, 1000), style_section(pairs), leak_section(pairs)):
        report(section, arguments.figures, arguments.only)


if __name__ == "__main__":
    main()
