"""The members of experiment=laptop at the size of the competition, against scikit-learn and pandas in the same run.

    python experiments/benchmarks/laptop.py [--rows N] [--texts FILE ...] [--only STEP ...] [--out FILE] [--tiny]

57,477 pairs of 60, 214 and 216 words in the mean, up to 5,000, in six scripts, with more than 200,000 different words;
`--texts` names files in the competition's format whose word order is used, else generated pairs are. Each step runs in
a process of its own; memory is the largest sum over it and its children, of resident pages. `read_csv` is pandas', the
yardstick of `load`; `scikit-learn` is the yardstick of `tfidf`: two HashingVectorizers, TF-IDF differences, logistic
regression on the rows and their swapped copies at one strength.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MEMBERS = ("style", "style-boosting", "tfidf", "wordllama")
STEPS = ("read_csv", "load", "scikit-learn", *MEMBERS, "blend")
TOGETHER = "the members together"
YARDSTICKS = {"load": ("read_csv", 4.0), "tfidf": ("scikit-learn", 1.0)}  # and the largest ratio aimed at
FULL_ROWS = 57_477  # the competition's
LIMITS = {"tfidf": (360, 4000), "blend": (120, 4000), TOGETHER: (1200, 4000)}  # seconds and MB aimed at, of FULL_ROWS
MEAN_WORDS, LONGEST, SPREAD = (60, 214, 216), 5000, 0.9  # spread of the logarithms of the lengths
RARE_WORDS, RARE_SHARE, FOREIGN_SHARE = 300_000, 0.03, 0.15
SYLLABLES = [  # of six scripts
    "ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo zy".split(),
    "ба ве ги до жу за ки ле мо ну па ре си то фу ха це чи шо щу".split(),
    "αβ γε δι ζο ηυ θα κε λι μο νυ ξα πε ρι σο τυ φα χε ψι ωο βα".split(),
    "با تي جو دا ري زو سا شي صو طا عي غو فا قي كو لا مي نو ها وي".split(),
    "कि खा गो घे चु जा टो डे तु दा नो पे बु मा यो रे लु वा शो हे".split(),
    [*"的一是不了人我在有他这中大来上国个到说们"],
]
Rng = np.random.Generator


def rare_word(number: int) -> str:
    """Return a made-up word; the number says its script too."""
    syllables, rest, word = SYLLABLES[number % len(SYLLABLES)], number // len(SYLLABLES) + len(SYLLABLES[0]), ""
    while rest:
        rest, syllable = divmod(rest, len(syllables))
        word += syllables[syllable]
    return word


def source_words(texts: Sequence[Path]) -> list[str]:
    """Return the words of the responses in files, or of generated ones, one after another."""
    from prefens.data.load import load_pairs
    from prefens.data.synthetic.generator import generate

    files = [load_pairs(path).pairs for path in texts] or [generate(2000, seed=0)]
    return " ".join("\n\n".join(turns) for pairs in files for turns in pairs.response_a).split(" ")


def write_rows(path: Path, rows: int, texts: Sequence[Path]) -> None:
    """Write pairs with the lengths and the vocabulary of the arena; who says more wins more often."""
    rng, words = np.random.default_rng(0), source_words(texts)
    lengths = np.exp(rng.normal(0, SPREAD / 2, (rows, 1)) + rng.normal(0, SPREAD / 2, (rows, 3)))
    lengths = np.clip(np.rint(lengths / lengths.mean(axis=0) * MEAN_WORDS), 1, LONGEST).astype(int)
    scripts = np.where(rng.random(rows) < FOREIGN_SHARE, rng.integers(1, len(SYLLABLES), rows), 0)
    margin = np.log(lengths[:, 1] / lengths[:, 2]) + rng.normal(0, 1, rows)
    outcome = np.where(np.abs(margin) < 0.5, 2, np.where(margin > 0, 0, 1))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        parts, labels = ["prompt", "response_a", "response_b"], ["winner_model_a", "winner_model_b", "winner_tie"]
        writer.writerow(["id", "model_a", "model_b", *parts, *labels])
        for row in range(rows):
            made = [json.dumps([text(rng, words, size, scripts[row])]) for size in lengths[row]]
            writer.writerow([row, "x", "y", *made, *(int(outcome[row] == each) for each in range(3))])


def text(rng: Rng, words: list[str], size: int, script: int) -> str:
    """Return a text of so many words: a part of `words` with a few rare ones, or all in another script than Latin."""
    if script:
        numbers = rng.zipf(1.2, size) % RARE_WORDS // len(SYLLABLES) * len(SYLLABLES) + script
        return " ".join(map(rare_word, numbers.tolist()))
    start = int(rng.integers(0, max(1, len(words) - size)))
    chosen = [*words[start : start + size], *words[: max(0, size - len(words))]]
    for place in rng.integers(0, size, rng.binomial(size, RARE_SHARE)).tolist():
        if place < len(chosen):
            chosen[place] = rare_word(int(rng.integers(RARE_WORDS)))
    return " ".join(chosen)


def read_csv(path: Path) -> Callable[[], object]:
    import pandas as pd

    return lambda: pd.read_csv(path)


def load(path: Path) -> Callable[[], object]:
    import pyarrow.csv  # noqa: F401, imports are not the step

    from prefens.data.load import load_pairs

    return lambda: load_pairs(path)


def scikit_learn(path: Path) -> Callable[[], object]:
    """Return the plain pipeline, which returns its out-of-fold log loss."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    from prefens.core.metrics import log_loss
    from prefens.core.types import SWAP
    from prefens.data.corpus import make_corpus
    from prefens.data.folds import FoldSettings
    from prefens.data.sources import FileSource
    from prefens.data.text.turns import joined

    corpus = make_corpus(FileSource(path=str(path)), FoldSettings())
    pairs = corpus.pairs
    common = {"n_features": 2**18, "alternate_sign": False, "norm": None}
    vectorizers = [
        HashingVectorizer(ngram_range=(1, 2), **common),
        HashingVectorizer(analyzer="char_wb", ngram_range=(3, 4), **common),
    ]

    def run() -> object:
        from scipy import sparse

        a, b = (
            sparse.hstack([each.transform([joined(turns) for turns in column]) for each in vectorizers], format="csr")
            for column in (pairs.response_a, pairs.response_b)
        )
        probabilities = np.zeros((len(pairs), 3))
        for fold in corpus.folds:
            train, labels = fold.train, pairs.labels[fold.train]
            idf = TfidfTransformer().fit(sparse.vstack([a[train], b[train]]))
            rows = idf.transform(a[train]) - idf.transform(b[train])
            model = LogisticRegression(C=1.0, max_iter=200)
            model.fit(sparse.vstack([rows, -rows]), np.concatenate([labels, SWAP[labels]]))
            held_out = idf.transform(a[fold.valid]) - idf.transform(b[fold.valid])
            probabilities[np.ix_(fold.valid, model.classes_)] = model.predict_proba(held_out)
        return log_loss(probabilities, pairs.labels)

    return run


def command(name: str, path: Path, root: Path) -> list[str]:
    """Return the command line of a step."""
    stored = [f"data.path={path}", "tracking=none", f"tracking.root={root}"]
    if name in MEMBERS:
        return [sys.executable, "-m", "prefens.train", f"backbone={name}", *stored]
    if name == "blend":
        return [sys.executable, "-m", "prefens.blend", f"out={root}", *stored]
    return [sys.executable, __file__, "--step", name, str(path)]


def processor_of_children() -> float:
    """Return the processor seconds of all ended children, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(line: Sequence[str]) -> tuple[dict[str, float], str]:
    """Run a command; return its cost (wall clock, processor, memory of it and its children) and its output."""
    import psutil

    started, before, largest = time.perf_counter(), processor_of_children(), 0
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(line, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            total = 0
            try:
                tree = [psutil.Process(process.pid)]
                for each in [*tree, *tree[0].children(recursive=True)]:
                    total += each.memory_info().rss
            except psutil.Error:
                pass  # it has ended meanwhile
            largest = max(largest, total)
            time.sleep(0.05)
        seconds = time.perf_counter() - started
        output.seek(0)
        printed = output.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(line)}:\n{printed}")
    return {"seconds": seconds, "processor": processor_of_children() - before, "megabytes": largest / 1e6}, printed


def run_step(name: str, path: Path, root: Path) -> dict[str, Any]:
    """Return the cost of a step, and its out-of-fold log loss where it has one."""
    cost, printed = measured(command(name, path, root))
    if name in MEMBERS:
        (row,) = (line.split() for line in printed.splitlines() if line.startswith(f"{name} s0 "))
        folds_and_mean = [value for value in row[2:] if value.replace(".", "", 1).isdigit() and "." in value]
        return {**cost, "log_loss": float(folds_and_mean[5])}
    if name == "blend":
        return dict(cost)
    return {**cost, **json.loads(printed.splitlines()[-1])}  # its seconds are without the imports


def step(name: str, path: Path) -> dict[str, Any]:
    """Run a step that is no command in this process; return its seconds and what it came to."""
    from prefens.core.resources import limit_threads

    limit_threads()
    work = {"read_csv": read_csv, "load": load, "scikit-learn": scikit_learn}[name](path)
    started, before = time.perf_counter(), time.process_time()
    result = work()
    cost = {"seconds": time.perf_counter() - started, "processor": time.process_time() - before}
    return cost | ({"log_loss": result} if isinstance(result, float) else {})


def table(steps: dict[str, dict[str, Any]], rows: int) -> str:
    """Return the figures as Markdown, ratios first; fewer rows or members than aimed at reach nothing."""
    lines = [
        "| step | times its yardstick | seconds | of the processor | memory, MB | log loss | aim | reached |",
        "|---|---|---|---|---|---|---|---|",
    ]
    members = [steps[name] for name in MEMBERS if name in steps]
    if len(members) == len(MEMBERS):
        total = {key: sum(row[key] for row in members) for key in ("seconds", "processor")}
        steps = {**steps, TOGETHER: {**total, "megabytes": max(row["megabytes"] for row in members)}}
    for name, row in steps.items():
        aims, reached, shown = [], [], ""
        yardstick, largest = YARDSTICKS.get(name, ("", 0.0))
        if yardstick in steps:
            ratio = row["seconds"] / steps[yardstick]["seconds"]
            shown = f"{ratio:.2f}"
            aims, reached = [f"{largest:g} x {yardstick}"], [ratio <= largest]
        if name in LIMITS and rows >= FULL_ROWS:
            seconds, megabytes = LIMITS[name]
            aims += [f"{seconds} s, {megabytes} MB"]
            reached += [row["seconds"] <= seconds, row["megabytes"] <= megabytes]
        loss = f"{row['log_loss']:.4f}" if "log_loss" in row else ""
        figures = f"{row['seconds']:.2f} | {row['processor']:.2f} | {row['megabytes']:.0f} | {loss}"
        verdict = ("yes" if all(reached) else "no") if aims else ""
        lines.append(f"| {name} | {shown} | {figures} | {', '.join(aims)} | {verdict} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=FULL_ROWS)
    parser.add_argument("--texts", type=Path, nargs="*", default=[], help="files whose word order is used")
    parser.add_argument("--only", nargs="*", default=list(STEPS), choices=STEPS)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--tiny", action="store_true", help="80 rows: whether it runs")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(step(arguments.step[0], Path(arguments.step[1]))))
        return
    rows = 80 if arguments.tiny else arguments.rows
    with tempfile.TemporaryDirectory() as folder:
        path, root, steps = Path(folder) / "train.csv", Path(folder) / "runs", {}
        write_rows(path, rows, arguments.texts)
        print(f"{rows} rows, {path.stat().st_size / 1e6:.0f} MB", flush=True)
        for name in arguments.only:
            steps[name] = run_step(name, path, root)
            print(name, steps[name], flush=True)
    print(table(steps, rows))
    if arguments.out:
        arguments.out.write_text(json.dumps({"rows": rows, **steps}, indent=2) + "\n")


if __name__ == "__main__":
    main()
