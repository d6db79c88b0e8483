"""Checks of stored models: that they predict what is stored, and that they treat A and B alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from prefens.core.metrics import swap_outcomes
from prefens.core.types import Ints, Pairs
from prefens.inference.fold_models import load_model
from prefens.store.member_spec import MemberSpec
from prefens.store.split_store import SplitStore

TOLERANCE = 0.01  # in probability; 16-bit weights move them by less than 0.001
SWAP_FOLD = 0  # whose models are swapped: symmetry is a property of the code, the same in all folds


def check_predictions(
    split: SplitStore, specs: Sequence[MemberSpec], pairs: Pairs, sample: int, backbones: Sequence[Path]
) -> Iterator[str]:
    """Predict a sample of each fold again, and yield a sentence for each model that doesn't predict what is stored.

    Parameters
    ----------
    split : SplitStore
        The part of the store that the members are in.
    specs : sequence of MemberSpec
        The members; those without a stored model are skipped.
    pairs : Pairs
        The pairs of the split, in any order.
    sample : int
        Pairs of each fold that are predicted again; 0 for none.
    backbones : sequence of Path
        Folders of backbone files that go before the installed ones.

    Raises
    ------
    StoreError
        If a model is damaged.
    """
    place = {id_: row for row, id_ in enumerate(pairs.ids)}
    for spec in specs if sample else ():
        for fold in range(split.k + split.has_full(spec.name)):
            folder = _model_folder(split, spec, fold)
            if folder is None:
                continue
            model = load_model(spec, folder, backbones)
            stored = split.predictions(spec, fold)
            held_out = stored.holdout_ids, stored.holdout_probabilities
            ids, probabilities = (stored.ids, stored.probabilities) if fold < split.k else held_out
            if not len(ids):  # a full fit without a hold-out has predicted nothing
                continue
            sampled = _spread(len(ids), sample)
            rows = np.array([place[id_] for id_ in ids[sampled]])
            predicted = model.predict_proba(pairs.take(rows).unlabelled())
            off = np.abs(predicted - probabilities[sampled]).max(axis=1)
            if off.max() > TOLERANCE:
                worst = ids[sampled[int(np.argmax(off))]]
                wrong = int((off > TOLERANCE).sum())
                yield (
                    f"{spec.name}, {split.part_name(fold)}: {wrong} of {len(rows)} stored probabilities are not its "
                    f"model's (off by {off.max():.3f} for id {worst})"
                )


def swap_gaps(
    split: SplitStore, specs: Sequence[MemberSpec], pairs: Pairs, sample: int, backbones: Sequence[Path]
) -> dict[str, float]:
    """Measure by how much stored models depend on which response is shown first.

    Parameters
    ----------
    split : SplitStore
        The part of the store that the members are in.
    specs : sequence of MemberSpec
        The members; those without a stored model are skipped.
    pairs : Pairs
        Pairs to predict in both orders.
    sample : int
        How many of the pairs are predicted; 0 for none.
    backbones : sequence of Path
        Folders of backbone files that go before the installed ones.

    Returns
    -------
    dict of str to float
        From a member to the largest |p(a | A, B) - p(b | B, A)| over outcomes and sampled pairs.

    Raises
    ------
    StoreError
        If a model is damaged.
    """
    gaps: dict[str, float] = {}
    if not sample:
        return gaps
    folders = [(spec, folder) for spec in specs if (folder := _model_folder(split, spec, SWAP_FOLD)) is not None]
    sampled = pairs.take(_spread(len(pairs), sample)).unlabelled()
    for spec, folder in folders:
        model = load_model(spec, folder, backbones)
        predicted, swapped = model.predict_proba(sampled), model.predict_proba(sampled.swapped())
        gaps[spec.name] = float(np.abs(predicted - swap_outcomes(swapped)).max())
    return gaps


def _model_folder(split: SplitStore, spec: MemberSpec, fold: int) -> Path | None:
    """Return the folder of a fold model, or None where no model is stored; StoreError where it is damaged."""
    stored = spec.kind is not None and split.has_model(spec, fold)
    return split.fold_dir(spec.name, fold) / "model" if stored else None


def _spread(rows: int, sample: int) -> Ints:
    """Return up to `sample` places that are spread evenly over `rows`."""
    return np.unique(np.linspace(0, rows - 1, sample).round().astype(np.int64))
