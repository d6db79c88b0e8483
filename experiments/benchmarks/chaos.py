"""Kills commands at random moments, and counts what that has cost once the same commands have run to their ends.

    python experiments/benchmarks/chaos.py [--kills 300] [--seed 0] [--folder DIR]

A round has a store of its own. A sweep of networks and cheap members is killed again and again and then finished, and
so are blend, report and predict. What they leave is compared with what the same commands leave that nobody kills. A
kill is SIGKILL to the whole process group: at a time drawn from the length of the command, or soon after the command
has begun to train a fold, to write a checkpoint or to write any other file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from prefens.core.files import FRESH_SECONDS, remove_stale_tmp
from prefens.core.leases.leases import holder_of
from prefens.runner.sync import member_stack
from prefens.store.oof_store import OOFStore
from prefens.store.tracking.mlflow_tracker import MlflowTracker

COMMANDS = {
    "train": "-m data=synthetic data.rows=90 folds.k=3 backbone=style,textcnn seed=0,1 text.max_length=32 "
    "training.epochs=10 training.batch_pairs=4 training.checkpoint_minutes=0.005",
    "blend": "",
    "report": "data=synthetic data.rows=90",
    "predict": "data=synthetic data.seed=1 data.rows=50",
}
KILLS = {"train": 6, "blend": 4, "report": 3, "predict": 3}  # in a round
FOLDS, MEMBERS, ROWS = 3, 4, 50
PATIENCE_SECONDS = 600.0  # for a command that nobody kills


@dataclass
class Counts:
    """What was done and what it has cost.

    Attributes
    ----------
    kills : Counter of str
        Processes that were killed while they ran, by command.
    moments : Counter of str
        The same, by what they were waited for.
    costs : Counter of str
        Things that went wrong, by kind.
    notes : list of str
        Where each of them lies.
    """

    kills: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    costs: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def note(self, cost: str, where: object) -> None:
        self.costs[cost] += 1
        self.notes.append(f"{cost}: {where}")


@dataclass(frozen=True)
class Store:
    """A tracking root, the folder `out` beside it, and the commands that work on them.

    Attributes
    ----------
    folder : Path
        Holds both.
    """

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "runs"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Begin a command in a process group of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        line = [sys.executable, "-m", f"prefens.{command}", *COMMANDS[command].split(), "tracking.root=runs", "out=out"]
        with (self.folder / f"{command}.log").open("ab") as log:
            return subprocess.Popen(line, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)

    def finish(self, command: str) -> float:
        """Run a command to its end and return the seconds; RuntimeError where it fails."""
        started = time.monotonic()
        code = self.start(command).wait(PATIENCE_SECONDS)
        if code != 0:
            raise RuntimeError(f"{command} ended with code {code}: {self.log(command)[-3000:]}")
        return time.monotonic() - started

    def log(self, command: str) -> str:
        return (self.folder / f"{command}.log").read_text("utf-8", errors="replace")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the stores are kept; default: a temporary folder")
    arguments = parser.parse_args()
    generator, counts = random.Random(arguments.seed), Counts()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        calm = Store(folder / "calm")
        lengths = {command: calm.finish(command) for command in COMMANDS}
        rounds = 0
        while counts.kills.total() < arguments.kills:
            run_round(Store(folder / f"round-{rounds}"), calm, KILLS, lengths, generator, counts)
            rounds += 1
            print(f"round {rounds}: {counts.kills.total()} kills, {dict(counts.costs)}", file=sys.stderr, flush=True)
    print(table(counts, rounds))
    print("\n".join(counts.notes))
    sys.exit(bool(counts.costs))


def run_round(
    store: Store,
    calm: Store,
    kills: dict[str, int],
    lengths: dict[str, float],
    generator: random.Random,
    counts: Counts,
) -> None:
    """Kill each command some times on a new store, finish it, and count what differs from a store without kills."""
    for command in COMMANDS:
        for _ in range(kills[command]):
            kill(store, command, lengths[command], generator, counts)
        try:
            store.finish(command)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            counts.note("commands that fail after a kill", error)
            return
    check_bits(store, calm, counts)
    check_leftovers(store, counts)
    check_runs(store, counts)


def kill(store: Store, command: str, seconds: float, generator: random.Random, counts: Counts) -> None:
    """Start a command and kill it: some time after it has begun, or soon after the first sign of some work."""
    process, since = store.start(command), time.time()
    signs: dict[str, Callable[[], bool]] = {
        "a fold in training": lambda: holds_lease(store.root, process),
        "a checkpoint": lambda: any(modified(path) > since for path in store.root.glob("checkpoints/*.pt")),
        "a file half-written": lambda: any(True for _ in scratch_folders(store)),
    }
    sign = generator.choice(["any time", *(signs if command == "train" else ["a file half-written"])])
    if sign == "any time":
        time.sleep(generator.uniform(0.0, seconds))
    elif wait_for(signs[sign], process):
        time.sleep(generator.choice([0.0, generator.uniform(0.0, 0.5)]))
    if process.poll() is None:
        counts.kills[command] += 1
        counts.moments[sign] += 1
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(sign: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Wait for a sign of a process that may end before; return whether it came."""
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if sign():
            return True
        time.sleep(0.002)
    return False


def holds_lease(root: Path, process: subprocess.Popen[bytes]) -> bool:
    holders = map(holder_of, root.glob("locks/fold-*.json"))
    return any(holder is not None and holder.process.pid == process.pid for holder in holders)


def modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def scratch_folders(store: Store) -> Iterator[Path]:
    for pattern in (".*", "checkpoints/.*", "store/*/.*", "store/*/members/*/.*"):
        yield from store.root.glob(pattern)
    for pattern in (".*", "figures/.*"):
        yield from store.out.glob(pattern)


def check_bits(store: Store, calm: Store, counts: Counts) -> None:
    """Compare all predictions, bit for bit."""
    expected, probabilities = out_of_fold(calm.root), out_of_fold(store.root)
    for name in expected.keys() | probabilities.keys():
        if name not in probabilities or len(probabilities[name]) != len(expected[name]):
            counts.note("members or files with lost rows", f"{store.folder}: {name}")
        elif not np.array_equal(probabilities[name], expected[name]):
            counts.note("members or files with wrong bits", f"{store.folder}: {name}")
    for name in ("submission.csv", "weights.json", "leaderboard.json", "predict.json"):
        if (store.out / name).read_bytes() != (calm.out / name).read_bytes():
            counts.note("members or files with wrong bits", store.out / name)
    if len((store.out / "submission.csv").read_text("utf-8").splitlines()) != ROWS + 1:
        counts.note("members or files with lost rows", store.out / "submission.csv")
    digests = [json.loads((each.out / "blend.json").read_text("utf-8"))["predictions_digest"] for each in (store, calm)]
    if digests[0] != digests[1]:
        counts.note("members or files with wrong bits", store.out / "blend.json")
    for path in calm.out.rglob("*"):
        if not (store.out / path.relative_to(calm.out)).exists():
            counts.note("files that are missing", store.out / path.relative_to(calm.out))


def out_of_fold(root: Path) -> dict[str, np.ndarray]:
    """Return the out-of-fold probabilities of each member."""
    split = OOFStore(root).select()
    return {spec.name: member_stack(split, spec)[0].probabilities for spec in split.members()}


def check_leftovers(store: Store, counts: Counts) -> None:
    """Look for what no process works on: hidden files, checkpoints, leases.

    A scratch folder without a lock may be one that is being made, for FRESH_SECONDS. Where its writer was killed then,
    the first command after them removes it.
    """
    if any(folder.is_dir() and not any(folder.iterdir()) for folder in scratch_folders(store)):
        time.sleep(FRESH_SECONDS)
        for folder in {path.parent for path in scratch_folders(store)}:
            remove_stale_tmp(folder)
    hidden = [path for path in store.folder.rglob(".*") if path.name != ".hydra"]
    for path in [*hidden, *store.root.glob("checkpoints/*"), *store.root.glob("locks/*.json")]:
        counts.note("leftovers", path)


def check_runs(store: Store, counts: Counts) -> None:
    """Look for runs that seem to be alive, and for second ones: of a fold, a member, a blend or its model."""
    tracker = MlflowTracker(store.root, "prefens")
    runs = tracker.client.search_runs([tracker.experiment_id])
    for run in runs:
        if run.info.status != "FINISHED":
            counts.note(f"runs that are {run.info.status}", f"{store.folder}: {run.info.run_name}")
    roles = Counter(run.data.tags["prefens.role"] for run in runs)
    roles["model"] = len(tracker.client.search_logged_models([tracker.experiment_id]))
    roles["version"] = len(tracker.client.search_model_versions())
    expected = Counter(fold=FOLDS * MEMBERS, member=MEMBERS, blend=1, model=1, version=1)
    if roles - expected:
        counts.note("doubled runs", f"{store.folder}: {dict(roles - expected)}")
    if expected - roles:
        counts.note("missing runs", f"{store.folder}: {dict(expected - roles)}")


def table(counts: Counts, rounds: int) -> str:
    """Return all counts as a table in Markdown."""
    costs = (
        *("members or files with wrong bits", "members or files with lost rows", "files that are missing"),
        *("commands that fail after a kill", "leftovers", "runs that are RUNNING", "doubled runs", "missing runs"),
    )
    rows = [("rounds", rounds), ("kills", counts.kills.total())]
    rows += [(f"kills of `{command}`", counts.kills[command]) for command in COMMANDS]
    rows += [(f"kills at: {moment}", number) for moment, number in sorted(counts.moments.items())]
    rows += [(cost, counts.costs[cost]) for cost in dict.fromkeys([*costs, *sorted(counts.costs)])]
    return "\n".join(["| | count |", "|---|---|", *(f"| {name} | {number} |" for name, number in rows)])


if __name__ == "__main__":
    main()
