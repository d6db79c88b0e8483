"""Stored members for the tests of the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prefens.core.fold_run import FoldPredictions
from prefens.core.types import Folds
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore
from tests.helpers.examples import run_result


def damage(path: Path, how: str) -> None:
    """Delete a file, keep half of it, flip a bit (the first one of JSON), or put another text into it."""
    content = path.read_bytes()
    path.unlink()  # a hard link of it stays whole
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        place = 0 if path.suffix == ".json" else len(content) // 2
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    elif how != "deleted":
        path.write_text(how)


def spec_of(folds: Folds, seed: int = 0) -> MemberSpec:
    return MemberSpec("tfidf", "tfidf", {"bits": 4}, seed, folds.data_digest, folds.digest)


def run_of(folds: Folds, spec: MemberSpec, fold: int) -> FoldPredictions:
    rows = folds.split(fold)
    generator = np.random.default_rng(fold)
    valid, holdout = (generator.dirichlet(np.ones(3), size=len(part)) for part in (rows.valid, rows.holdout))
    return FoldPredictions(spec.key(fold), folds.ids[rows.valid], valid, folds.ids[rows.holdout], holdout)


def fill(split: SplitStore, folds: Folds, spec: MemberSpec) -> list[FoldPredictions]:
    split.put_member(spec)
    runs = [run_of(folds, spec, fold) for fold in range(folds.k)]
    for run in runs:
        split.put(spec, run, run_result(), lambda directory: None)
    return runs
