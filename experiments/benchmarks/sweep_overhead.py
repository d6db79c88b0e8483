"""What a sweep costs beyond training, in seconds; imports are paid once in a process and are not counted.

    python experiments/benchmarks/sweep_overhead.py [--only NAME ...] [--out FILE]

overhead: a fold run of a member that learns nothing, on 2,000 pairs with SQLite; the median over 60 members, and so
with its share of the member's run and figure.
skip: the same sweep of 60 members x 5 folds again, all of them finished.
status: how 1,000 fold runs stand, curves of 500 steps included.
assemble: the OOF stack of 60 members x 57,477 rows, from the store, in a process of its own; memory (_mb) is what the
process takes more than before. _cpu: seconds of the processor, for a machine that others use too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prefens.core.fold_run import FoldPredictions
from prefens.core.types import Floats, Folds, Pairs
from prefens.data.corpus import Corpus
from prefens.data.folds import FoldSettings, make_folds, prompt_groups
from prefens.data.synthetic.generator import generate
from prefens.members.base import Context, FitReport, Member
from prefens.runner.sweep_status import split_statuses
from prefens.runner.sync import member_stack
from prefens.runner.trainer import Trainer
from prefens.store.assemble import make_stack
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.run_record import RunRecord, RunResult
from prefens.store.tracking.guarded_tracker import GuardedTracker
from prefens.store.tracking.mlflow_tracker import MlflowTracker

TARGETS = {"overhead": "0.5 s", "skip": "5 s", "status": "3 s", "assemble": "3 s, 500 MB"}
ROWS, MEMBERS, STEPS = 57_477, 60, 500


@dataclass
class Idle(Member):
    """Learns nothing and says so at once."""

    def fit(self, train: Pairs, valid: Pairs | None, context: Context) -> FitReport:
        return FitReport({"train_loss": [1.0] * STEPS})

    def predict_proba(self, pairs: Pairs) -> Floats:
        return np.full((len(pairs), 3), 1 / 3)

    def save(self, directory: Path) -> None:
        (directory / "nothing").write_text("")

    @classmethod
    def load(cls, directory: Path, backbones: Sequence[Path] = ()) -> Idle:
        return cls()


def spec_of(folds: Folds, seed: int) -> MemberSpec:
    return MemberSpec("idle", "idle", {}, seed, folds.data_digest, folds.digest)


def sweep(root: Path) -> dict[str, float]:
    """Measure `overhead` and `skip` on 300 fold runs of 2,000 pairs."""
    pairs = generate(2000, seed=0)
    pairs = pairs.take(np.argsort(pairs.ids))
    folds = make_folds(pairs, FoldSettings())
    corpus = Corpus(pairs, folds, prompt_groups(pairs), None)
    split = OOFStore(root).put_folds(folds)
    guard = GuardedTracker(lambda: MlflowTracker(root, "prefens"), root / "locks" / "unsynced", str(root), "")
    trainer = Trainer(corpus, split, guard, root)
    taken, busy = [], time.process_time()
    for seed in range(MEMBERS):
        started = time.perf_counter()
        trainer.train_member(spec_of(folds, seed), Idle, range(folds.k))
        taken.append(time.perf_counter() - started)
    overhead = {
        "overhead": float(np.median(taken[1:])) / folds.k,
        "overhead_cpu": (time.process_time() - busy) / len(taken) / folds.k,
    }
    started, busy = time.perf_counter(), time.process_time()
    for seed in range(MEMBERS):
        assert not any(result.trained for result in trainer.train_member(spec_of(folds, seed), Idle, range(folds.k)))
    return {**overhead, "skip": time.perf_counter() - started, "skip_cpu": time.process_time() - busy}


def run_result(curve: list[float]) -> RunResult:
    """Return what a fold run amounts to."""
    return RunResult(log_loss=1.0, accuracy=0.5, seconds=1.0, valid_rows=100, curves={"train_loss": curve})


def status(root: Path) -> dict[str, float]:
    """Measure `status` on 200 members x 5 folds."""
    pairs = generate(500, seed=0)
    folds = make_folds(pairs.take(np.argsort(pairs.ids)), FoldSettings())
    split = OOFStore(root).put_folds(folds)
    for seed in range(200):
        spec = spec_of(folds, seed)
        split.put_member(spec)
        for fold in range(folds.k):
            folder = split.fold_dir(spec.name, fold)
            folder.mkdir(parents=True)
            curve = np.random.default_rng(fold).random(STEPS).tolist()
            record = RunRecord(**vars(run_result(curve)), key=spec.key(fold), started=0.0, ended=1.0, files={})
            (folder / "run.json").write_text(json.dumps(record.as_dict()))
    started = time.perf_counter()
    (found,) = split_statuses(root)
    json.dumps(found.as_dict())
    return {"status": time.perf_counter() - started}


def fill(root: Path) -> None:
    """Write the folds and the predictions of the members that `assemble` reads."""
    ids = np.array([str(1_000_000 + 7 * row) for row in range(ROWS)], dtype=object)
    generator = np.random.default_rng(0)
    label, fold = (generator.integers(0, size, ROWS).astype(np.int8) for size in (3, 5))
    settings = {"k": 5, "scheme": "stratified_group", "seed": 0, "holdout": 0.0}
    folds = Folds(ids, label, ids, fold, settings, "d" * 64)
    split = OOFStore(root).put_folds(folds)
    for seed in range(MEMBERS):
        spec = spec_of(folds, seed)
        split.put_member(spec)
        for part in folds:
            values = generator.dirichlet(np.ones(3), len(part.valid))
            none = np.empty(0, dtype=object), np.empty((0, 3))
            run = FoldPredictions(spec.key(part.index), ids[part.valid], values, *none)
            split.put(spec, run, run_result([]), lambda folder: None)


def assemble(root: Path) -> dict[str, float]:
    """Measure `assemble`; the same stack of one member before, so that imports are paid."""
    split = OOFStore(root).select()
    specs = list(split.members())
    member_stack(split, specs[0])
    before, started, busy = _peak(), time.perf_counter(), time.process_time()
    runs = {spec.info: [split.predictions(spec, fold) for fold in range(split.folds.k)] for spec in specs}
    stack, _ = make_stack(split.folds, runs)
    assert stack.probabilities.shape == (MEMBERS, ROWS, 3)
    taken = {"assemble": time.perf_counter() - started, "assemble_cpu": time.process_time() - busy}
    return {**taken, "assemble_mb": _peak() - before}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


STEPS_OF: dict[str, Callable[[Path], dict[str, float]]] = {"sweep": sweep, "status": status, "assemble": assemble}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=STEPS_OF, default=[*STEPS_OF])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(STEPS_OF[arguments.step[0]](Path(arguments.step[1]))))
        return
    found: dict[str, Any] = {}
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            if name == "assemble":
                fill(Path(folder))
            line = [sys.executable, __file__, "--step", name, folder]
            done = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True)
            found |= json.loads(done.stdout.splitlines()[-1])
    for name, value in found.items():
        print(f"{name:12} {value:8.2f}   target: {TARGETS.get(name, '')}")
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
