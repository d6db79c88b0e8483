"""The report at the size of the competition: 57,477 rows and 60 members, written straight into a store.

    python experiments/benchmarks/report.py [--rows N] [--members M] [--out FILE]

Seconds and peak memory of `python -m prefens.report`, and the size of its page. Rows with texts as long as the arena's
are given too (--texts), so that all sections are there.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from prefens.data.folds import FoldSettings, Labelled, labelled, split_rows
from prefens.records import Floats, FoldPredictions, Folds
from prefens.tracking.oof_store import MemberSpec, OOFStore

TARGET = "at most 60 s on 2 cores, the page under 15 MB"


def rows_without_texts(count: int) -> Labelled:
    """Return labels of `count` rows, about one in six of which shares its group with another."""
    generator = np.random.default_rng(0)
    group = generator.integers(0, int(count * 2.7), size=count)
    ids = np.array([str(row) for row in range(count)], dtype=object)
    label = generator.choice(3, size=count, p=(0.35, 0.34, 0.31)).astype(np.int8)
    return Labelled(ids, label, np.array([f"g{value}" for value in group], dtype=object), "b" * 64)


def write_members(root: Path, folds: Folds, members: int) -> None:
    """Write members that know something about the labels, each in its own way, five folds each with a curve."""
    generator = np.random.default_rng(1)
    split = OOFStore(root).put_folds(folds)
    n = len(folds.ids)
    signal = 0.5 * np.eye(3)[folds.label] + generator.normal(size=(n, 3))
    for member in range(members):
        spec = MemberSpec(
            f"member{member % 12:02}",
            "no.Model",
            {"recipe": member % 12},
            member // 12,
            folds.data_digest,
            folds.digest,
        )
        split.put_member(spec)
        probabilities = _softmax(0.5 * signal + generator.normal(0, 0.3 + 0.03 * (member % 12), size=(n, 3)))
        for fold in folds:
            ids, none = folds.ids[fold.valid], folds.ids[:0]
            predictions = FoldPredictions(spec.key(fold.index), ids, probabilities[fold.valid], none, np.empty((0, 3)))
            curve = 0.99 + 0.11 * np.exp(-np.linspace(0, 4, 700)) + generator.normal(0, 0.05, 700)
            facts: dict[str, Any] = {"seconds": 600.0, "train_rows": len(fold.train), "valid_rows": len(fold.valid)}
            facts |= {
                "log_loss": 1.0,
                "accuracy": 0.5,
                "facts": {"parameters": 10**8},
                "curves": {"train_loss": curve.tolist()},
            }
            split.put(spec, predictions, facts, lambda folder: None)


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits)
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=57_477)
    parser.add_argument("--members", type=int, default=60)
    parser.add_argument("--texts", action="store_true", help="with texts, so that all sections are there")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, line = (
            Path(folder),
            [sys.executable, "-m", "prefens.report", f"tracking.root={folder}/runs", f"out={folder}"],
        )
        if arguments.texts:
            from data import write_rows

            from prefens.data.load import load_pairs

            write_rows(root / "train.csv", arguments.rows)
            rows = labelled(load_pairs(root / "train.csv").pairs)
            line.append(f"data.path={folder}/train.csv")
        else:
            rows = rows_without_texts(arguments.rows)
        write_members(root / "runs", split_rows(rows, FoldSettings()), arguments.members)
        started = time.perf_counter()
        subprocess.run(line, check=True)
        seconds = time.perf_counter() - started
        found = {
            "rows": arguments.rows,
            "members": arguments.members,
            "seconds": seconds,
            "page_megabytes": (root / "report.html").stat().st_size / 1e6,
            "memory_megabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024.0,
        }
    print(json.dumps(found, indent=2), TARGET, sep="\n")
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
