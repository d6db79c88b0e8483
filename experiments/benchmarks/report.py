"""The report at the size of the competition: 57,477 rows and 60 members, written straight into a store.

    python experiments/benchmarks/report.py [--rows N] [--members M] [--texts] [--out FILE]

Seconds and peak memory of `python -m prefens.report`, and the size of its page. With --texts the pairs have texts as
long as the arena's and are given too, so that all sections are there.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from prefens.core.fold_run import FoldPredictions
from prefens.core.metrics import accuracy, log_loss
from prefens.core.types import Floats, Folds
from prefens.data.folds import FoldSettings, LabelledRows, labelled_rows, split_rows
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.run_record import RunResult

TARGET = "target: at most 45 s on 2 cores, a page under 15 MB"
RECIPES = 12  # with as many seeds each as give the number of members
STEPS = 700  # of a training curve


def rows_without_texts(count: int) -> LabelledRows:
    """Return labels of `count` rows, about one in six of which shares its group with another."""
    generator = np.random.default_rng(0)
    group = generator.integers(0, int(count * 2.7), size=count)
    ids = np.array([str(row) for row in range(count)], dtype=object)
    label = generator.choice(3, size=count, p=(0.35, 0.34, 0.31)).astype(np.int8)
    return LabelledRows(ids, label, np.array([f"g{value}" for value in group], dtype=object), "b" * 64)


def write_members(root: Path, folds: Folds, members: int) -> None:
    """Write members whose errors correlate as those of real ones do, 0.97 between recipes and 0.99 between seeds."""
    generator = np.random.default_rng(1)
    split, n = OOFStore(root).put_folds(folds), len(folds.ids)
    common = 0.25 * np.eye(3)[folds.label] + generator.normal(0, 0.4, size=(n, 3))
    recipes = [common + generator.normal(0, 0.25 + 0.01 * recipe, size=(n, 3)) for recipe in range(RECIPES)]
    for member in range(members):
        recipe, seed = member % RECIPES, member // RECIPES
        about = folds.data_digest, folds.digest
        spec = MemberSpec(f"member{recipe:02}", "no.Model", {"recipe": recipe}, seed, *about)
        split.put_member(spec)
        probabilities = softmax(recipes[recipe] + generator.normal(0, 0.15, size=(n, 3)))
        for fold in folds:
            ids, none = folds.ids[fold.valid], folds.ids[:0]
            predictions = FoldPredictions(spec.key(fold.index), ids, probabilities[fold.valid], none, np.empty((0, 3)))
            curve = 0.99 + 0.11 * np.exp(-np.linspace(0, 4, STEPS)) + generator.normal(0, 0.05, STEPS)
            result = RunResult(
                log_loss=log_loss(predictions.probabilities, folds.label[fold.valid]),
                accuracy=accuracy(predictions.probabilities, folds.label[fold.valid]),
                seconds=600.0,
                valid_rows=len(fold.valid),
                train_rows=len(fold.train),
                metadata={"parameters": 10**8},
                curves={"train_loss": curve.tolist()},
            )
            split.put(spec, predictions, result, lambda folder: None)


def softmax(logits: Floats) -> Floats:
    """Return (n, 3) probabilities."""
    powers = np.exp(logits)
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def measure(root: Path, rows: int, members: int, texts: bool) -> dict[str, float]:
    """Write the store under `root`, blend it, make its report, and return what the report took."""
    common = [f"tracking.root={root}/runs", f"out={root}"]
    line = [sys.executable, "-m", "prefens.report", *common]
    if texts:
        from data import write_rows

        from prefens.data.load import load_pairs

        write_rows(root / "train.csv", rows)
        pairs = load_pairs(root / "train.csv").pairs
        given = labelled_rows(pairs.take(np.argsort(pairs.ids)))  # the order in which commands have them
        line.append(f"data.path={root}/train.csv")
    else:
        given = rows_without_texts(rows)
    write_members(root / "runs", split_rows(given, FoldSettings()), members)
    subprocess.run([sys.executable, "-m", "prefens.blend", "model=false", "resamples=20", *common], check=True)
    started, before = time.perf_counter(), os.times()
    subprocess.run(line, check=True)
    after = os.times()
    return {
        "rows": rows,
        "members": members,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": after.children_user + after.children_system - before.children_user - before.children_system,
        "page_megabytes": (root / "report.html").stat().st_size / 1e6,
        "memory_megabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=57_477)
    parser.add_argument("--members", type=int, default=60)
    parser.add_argument("--texts", action="store_true", help="with texts, so that all sections are there")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments.rows, arguments.members, arguments.texts)
    print(json.dumps(found, indent=2), TARGET, sep="\n")
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
