"""Tokens a second of the frozen encoder of backbone=minilm-l6, in each precision.

    python experiments/benchmarks/embeddings.py [--texts N] [--precisions fp32 int8] [--repeats R] [--threads T]

Every repeat reads the same texts in each precision in turn, so that whatever else the machine does slows all of them.
Speeds are medians; ratios are medians of those within each repeat, of the clock and of the processor's time. Loading
the encoder and tokenizing are part of both, as they are in a member. Without --data the texts are generated ones.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prefens.core.resources import limit_threads
from prefens.core.types import Pairs
from prefens.data.load import load_pairs
from prefens.data.synthetic.generator import generate
from prefens.data.text.turns import joined
from prefens.members.backbone_files import find_minilm
from prefens.members.nn.pretrained import load_tokenizer
from prefens.members.nn.sentence_embeddings import EmbeddingPrecision, embed

MAX_LENGTH, LAYER = 256, 4  # as conf/backbone/minilm-l6.yaml has them


def texts_of(pairs: Pairs, count: int) -> list[str]:
    """Return some of the distinct texts of prompts and responses, drawn at random."""
    columns = (pairs.prompt, pairs.response_a, pairs.response_b)
    texts = list(dict.fromkeys(joined(turns) for column in columns for turns in column))
    return [texts[row] for row in np.random.default_rng(0).permutation(len(texts))[:count]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="pairs in any format that prefens reads")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--precisions", nargs="+", default=["fp32", "int8"], choices=EmbeddingPrecision.__members__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    threads = limit_threads(threads=arguments.threads)
    pairs = load_pairs(arguments.data).pairs if arguments.data else generate(arguments.texts, seed=0)
    texts, directory = texts_of(pairs, arguments.texts), find_minilm()
    lengths = [len(ids) for ids in load_tokenizer(directory)(texts, verbose=False)["input_ids"]]
    tokens = sum(min(length, MAX_LENGTH) for length in lengths)
    first, *_ = arguments.precisions
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in arguments.precisions}
    embeddings: dict[str, NDArray[np.float32]] = {}
    for _ in range(arguments.repeats):
        for name in arguments.precisions:
            started = time.perf_counter(), time.process_time()
            embeddings[name] = embed(texts, directory, MAX_LENGTH, LAYER, EmbeddingPrecision[name])
            seconds[name].append((time.perf_counter() - started[0], time.process_time() - started[1]))
    print(f"{threads} threads, {len(texts)} texts, {tokens} tokens, {arguments.repeats} repeats\n")
    print(f"| precision | tokens/s | faster than {first} | in processor time | cosine to {first}, mean (least) |")
    print("|---|---|---|---|---|")
    for name, runs in seconds.items():
        ratios = [
            [base[clock] / run[clock] for base, run in zip(seconds[first], runs, strict=True)] for clock in (0, 1)
        ]
        shown = [f"{statistics.median(part):.2f} [{min(part):.2f}, {max(part):.2f}]" for part in ratios]
        speed = tokens / statistics.median(run[0] for run in runs)
        cosines = (embeddings[name] * embeddings[first]).sum(axis=1)
        print(f"| {name} | {speed:.0f} | {shown[0]} | {shown[1]} | {cosines.mean():.4f} ({cosines.min():.4f}) |")


if __name__ == "__main__":
    main()
