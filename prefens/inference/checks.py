"""Whether stored probabilities are those of the stored models: a sample of each fold is predicted again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from prefens.core.types import Pairs
from prefens.inference.predictor import load_model
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

TOLERANCE = 0.01  # in probability; 16-bit weights move them by less than 0.001


def recheck(
    split: SplitStore, specs: Sequence[MemberSpec], pairs: Pairs, sample: int, backbones: Path
) -> Iterator[str]:
    """Yield, in words, each fold whose model does not predict what is stored.

    Parameters
    ----------
    pairs : the pairs of the split, in any order; sample : how many of each fold are predicted again, 0 for none.
    """
    place = {id_: row for row, id_ in enumerate(pairs.ids)}
    for spec in specs:
        for fold in range(split.folds.k):
            directory = split.fold_dir(spec.name, fold) / "model"
            if not sample or spec.kind is None or not any(directory.glob("*")):
                continue
            stored = split.predictions(spec, fold)
            chosen = np.unique(np.linspace(0, len(stored.ids) - 1, sample).round().astype(int))
            rows = np.array([place[id_] for id_ in stored.ids[chosen]])
            again = load_model(spec, directory, backbones).predict_proba(pairs.take(rows).unlabelled())
            off = np.abs(again - stored.probabilities[chosen]).max(axis=1)
            if off.max() > TOLERANCE:
                worst = stored.ids[chosen[int(np.argmax(off))]]
                yield (
                    f"{spec.name}, fold {fold}: {int((off > TOLERANCE).sum())} of {len(rows)} stored probabilities are "
                    f"not its model's (off by {off.max():.3f} for id {worst})"
                )
