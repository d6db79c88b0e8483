"""Ratings with a bootstrap at the competition's size: 57,477 votes on 64 models, with planted effects of style.

    python experiments/benchmarks/ratings.py [--rows N] [--models M] [--resamples R] [--out FILE]

One row for each model of ties, without and with style control: the seconds of the whole rating, fit, sandwich and
resamples, by the clock and of the processor. `points off` is the root mean square distance of the ratings from the
planted strengths, `style off` the largest distance of a style effect: small for Davidson's model, which drew the votes;
Bradley-Terry takes a tie for half a win of each side, so that its strengths and effects lie closer together.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from prefens.core.types import Floats
from prefens.ensemble.ratings.comparisons import Comparisons
from prefens.ensemble.ratings.paired_model import Kind
from prefens.ensemble.ratings.rating import MEAN, POINTS, VOTES, rate

EFFECTS = np.array([0.5, 0.1, 0.15, 0.05])  # log odds per root mean square: words, headings, bold parts, list items
NU = 0.9  # Davidson's weight of a tie
UNFORMATTED = 0.6  # share of pairs without a heading, without bold parts, without lists


def make_votes(rows: int, models: int) -> tuple[Comparisons, Floats]:
    """Return votes by Davidson's model, and the planted strengths, (models,); some share a prompt."""
    generator = np.random.default_rng(0)
    strengths = generator.normal(0.0, 0.5, size=models)
    strengths -= strengths.mean()
    popularity = generator.dirichlet(np.full(models, 2.0))  # some models are met far more often than others
    a = generator.choice(models, size=rows, p=popularity)
    b = (a + generator.integers(1, models, size=rows)) % models
    style = generator.uniform(-1.0, 1.0, size=(rows, len(EFFECTS)))
    style[:, 1:] *= generator.random((rows, len(EFFECTS) - 1)) > UNFORMATTED
    style /= np.sqrt((style**2).mean(axis=0))
    d = strengths[a] - strengths[b] + style @ EFFECTS
    weights = np.stack([np.exp(d / 2), np.exp(-d / 2), np.full(rows, NU)], axis=1)
    outcome = (generator.random((rows, 1)) * weights.sum(axis=1, keepdims=True) > weights.cumsum(axis=1)).sum(axis=1)
    group = generator.integers(0, int(0.9 * rows), size=rows).astype(str).astype(object)
    names = tuple(f"m{place:03d}" for place in range(models))
    return Comparisons(names, a, b, np.eye(3)[outcome], group, style, ("words", "headings", "bold", "lists")), strengths


def measure(rows: int, models: int, resamples: int) -> Iterator[dict[str, Any]]:
    """Yield the costs of each rating, and how far it is from what was planted."""
    votes, strengths = make_votes(rows, models)
    for kind in Kind:
        for styled in (False, True):
            start, processor = time.perf_counter(), time.process_time()
            rated = rate(votes, VOTES, kind, styled, resamples)
            seconds, processor = time.perf_counter() - start, time.process_time() - processor
            off = float(np.sqrt(np.mean((rated.ratings - MEAN - POINTS * strengths) ** 2)))
            effects = [abs(effect.value - own) for effect, own in zip(rated.effects, EFFECTS, strict=False)]
            yield {
                "kind": kind.value, "styled": styled, "seconds": seconds, "processor": processor, "points_off": off,
                "style_off": max(effects, default=None),
            }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=57_477)
    parser.add_argument("--models", type=int, default=64)
    parser.add_argument("--resamples", type=int, default=300)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    print("| ratings | equal style | seconds | of the processor | points off | style off |\n|---|---|---|---|---|---|")
    rows = []
    for row in measure(options.rows, options.models, options.resamples):
        rows.append(row)
        style = "" if row["style_off"] is None else f"{row['style_off']:.3f}"
        styled = "yes" if row["styled"] else "no"
        cells = [row["kind"], styled, f"{row['seconds']:.1f}", f"{row['processor']:.1f}", f"{row['points_off']:.1f}"]
        print(f"| {' | '.join([*cells, style])} |", flush=True)
    if options.out is not None:
        options.out.write_text(json.dumps({"rows": rows} | {k: v for k, v in vars(options).items() if k != "out"}))


if __name__ == "__main__":
    main()
