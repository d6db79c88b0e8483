"""How much stored models mind which response is shown first: pairs are predicted both ways round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prefens.core.types import SWAP, Pairs
from prefens.inference.predictor import load_model
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

FOLD = 0  # whose models are asked: symmetry is a matter of the code, the same in all folds


def swap_gaps(
    split: SplitStore, specs: Sequence[MemberSpec], pairs: Pairs, sample: int, backbones: Path
) -> dict[str, float]:
    """Return, by member, the largest |p(a | A, B) - p(b | B, A)| over outcomes and `sample` of the pairs.

    Members without a stored model are left out; all of them where `sample` is 0.
    """
    if not sample:
        return {}
    rows = np.unique(np.linspace(0, len(pairs) - 1, sample).round().astype(int))
    shown = pairs.take(rows).unlabelled()
    gaps = {}
    for spec in specs:
        folder = split.fold_dir(spec.name, FOLD) / "model"
        if spec.kind is not None and any(folder.glob("*")):
            model = load_model(spec, folder, backbones)
            there, back = model.predict_proba(shown), model.predict_proba(shown.swapped())
            gaps[spec.name] = float(np.abs(there - back[:, SWAP]).max())
    return gaps
