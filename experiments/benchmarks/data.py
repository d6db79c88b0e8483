"""Loading, folds and the cheap members at the size of the competition: 57,477 rows, about 180 MB of CSV.

    python experiments/benchmarks/data.py [--rows N] [--only NAME ...] [--out FILE]

Each step runs in a process of its own, three times where it takes seconds; the table gives the median and the range of
seconds, and the peak memory of the process. `read_csv` is pandas.read_csv on the same file, the yardstick of `load`;
`winner`, `chosen` and `graded` load the same texts as conversations, in the formats of other data.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VOTES = ("winner", "chosen", "graded")
REPEATS = {"read_csv": 3, "load": 3, **dict.fromkeys(VOTES, 3), "folds": 3, "style": 1, "tfidf": 1}
TARGETS = {
    "load": "at most 4 x read_csv; memory at most 4 x the file",
    **dict.fromkeys(VOTES, "at most 3 x load"),
    "folds": "at most 15 s",
    "style": "at most 60 s",
    "tfidf": "at most 15 min",
}


def write_rows(path: Path, rows: int) -> None:
    """Write generated pairs whose responses are as long as the arena's: each is followed by those of other rows."""
    from prefens.core.types import Outcome
    from prefens.data.synthetic.generator import generate

    pairs = generate(rows, seed=0)

    def longer(column: Any, row: int) -> str:
        first, *rest = column[row]
        more = [column[(row * 31 + step) % rows][0] for step in range(1, 3)]
        return json.dumps(["\n\n".join([first, *more]), *rest])

    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        texts, labels = ["prompt", "response_a", "response_b"], ["winner_model_a", "winner_model_b", "winner_tie"]
        writer.writerow(["id", "model_a", "model_b", *texts, *labels])
        for row in range(rows):
            one_hot = [int(pairs.labels[row] == outcome) for outcome in Outcome]
            responses = [longer(pairs.response_a, row), longer(pairs.response_b, row)]
            writer.writerow([row, "x", "y", json.dumps(pairs.prompt[row]), *responses, *one_hot])


def read_csv(path: Path) -> Callable[[], object]:
    import pandas as pd

    return lambda: pd.read_csv(path)


def load(path: Path) -> Callable[[], object]:
    import pyarrow.csv  # noqa: F401, imports are not the step

    from prefens.data.load import load_pairs

    return lambda: load_pairs(path)


def conversation(prompt: list[str], response: list[str]) -> list[dict[str, str]]:
    said = [(("user", asked), ("assistant", answer)) for asked, answer in zip(prompt, response, strict=True)]
    return [{"role": role, "content": text} for turn in said for role, text in turn]


def load_votes(path: Path, name: str) -> Callable[[], object]:
    """Write the pairs of a file in another format beside it; return what loads them."""
    import pandas as pd
    import pyarrow.csv  # noqa: F401, imports are not the step

    from prefens.data.load import load_pairs

    pairs = load_pairs(path).pairs
    sides = [
        [conversation([*prompt], [*response]) for prompt, response in zip(pairs.prompt, responses, strict=True)]
        for responses in (pairs.response_a, pairs.response_b)
    ]
    a, b = ([json.dumps(each) for each in side] for side in sides)
    tables: dict[str, dict[str, Any]] = {
        "winner": {
            "conversation_a": a,
            "conversation_b": b,
            "winner": [("A", "B", "tie")[label] for label in pairs.labels],
        },
        "chosen": {"chosen": a, "rejected": b},
        "graded": {
            "context": [json.dumps(each[:-1]) for each in sides[0]],
            "response1": [each[-1]["content"] for each in sides[0]],
            "response2": [each[-1]["content"] for each in sides[1]],
            "overall_preference": [(-1, 1, 0)[label] for label in pairs.labels],
        },
    }
    written = path.with_name(f"{name}.csv")
    pd.DataFrame({"id": pairs.ids, **tables[name]}).to_csv(written, index=False)
    return lambda: load_pairs(written)


def folds(path: Path) -> Callable[[], object]:
    from prefens.data.folds import FoldSettings, make_folds
    from prefens.data.load import load_pairs

    pairs = load_pairs(path).pairs
    return lambda: make_folds(pairs, FoldSettings()).digest


def member(path: Path, backbone: str) -> Callable[[], object]:
    from prefens.data.corpus import make_corpus
    from prefens.data.folds import FoldSettings
    from prefens.data.sources import FileSource
    from prefens.members.style import StyleMember
    from prefens.members.tfidf import TfidfMember
    from prefens.runner.trainer import Trainer
    from prefens.store.member_spec import MemberSpec
    from prefens.store.oof_store import OOFStore
    from prefens.store.tracking.tracker import NoTracker

    corpus = make_corpus(FileSource(path=str(path)), FoldSettings())
    kind = {"style": StyleMember, "tfidf": TfidfMember}[backbone]

    def train() -> object:
        with tempfile.TemporaryDirectory() as root:
            split = OOFStore(Path(root)).put_folds(corpus.folds)
            spec = MemberSpec(backbone, "x", {}, 0, corpus.folds.data_digest, corpus.folds.digest)
            return Trainer(corpus, split, NoTracker(), Path(root)).train_member(spec, lambda: kind(backbone), range(5))

    return train


def step(name: str, path: Path) -> dict[str, float]:
    """Run one step in this process; return its seconds and the process's peak memory in MB."""
    import resource

    from prefens.core.resources import limit_threads

    limit_threads()
    prepared = {"read_csv": read_csv, "load": load, "folds": folds}
    work = prepared[name](path) if name in prepared else (load_votes if name in VOTES else member)(path, name)
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    usage = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"seconds": seconds, "megabytes": usage / (1024.0 if sys.platform != "darwin" else 1024.0**2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=57_477)
    parser.add_argument("--only", nargs="*", default=list(REPEATS), choices=list(REPEATS))
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(step(arguments.step[0], Path(arguments.step[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.csv"
        write_rows(path, arguments.rows)
        size = path.stat().st_size / 1e6
        print(f"{arguments.rows} rows, {size:.0f} MB")
        found: dict[str, Any] = {"rows": arguments.rows, "file_megabytes": size}
        for name in arguments.only:
            line = [sys.executable, __file__, "--step", name, str(path)]
            runs = [
                json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
                for _ in range(REPEATS[name])
            ]
            seconds = sorted(run["seconds"] for run in runs)
            found[name] = {
                "seconds": statistics.median(seconds),
                "range": [seconds[0], seconds[-1]],
                "megabytes": max(run["megabytes"] for run in runs),
            }
            row = found[name]
            print(
                f"{name:9} {row['seconds']:8.2f} s [{seconds[0]:.2f}, {seconds[-1]:.2f}]  {row['megabytes']:6.0f} MB "
                f"({row['megabytes'] / size:.1f} x the file)  {TARGETS.get(name, '')}",
                flush=True,
            )
        if arguments.out:
            arguments.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
