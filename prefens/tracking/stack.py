"""Assembling comparable members into one stack: joins by id, and refusals that name member and difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from prefens.digest import short
from prefens.errors import StoreError
from prefens.records import (
    HOLDOUT,
    TOLERANCE,
    Floats,
    FoldPredictions,
    Folds,
    MemberInfo,
    OOFStack,
    Outcome,
    Strings,
    take_rows,
)


def make_stack(
    folds: Folds, members: Mapping[MemberInfo, Sequence[FoldPredictions]]
) -> tuple[OOFStack, OOFStack | None]:
    """Join the fold runs of each member into the OOF stack, and the hold-out stack where rows are held out.

    The hold-out prediction of a member is the mean of its fold models' probabilities.

    Raises
    ------
    StoreError naming the member: another data or fold digest, a missing or doubled fold, missing,
    unknown or doubled ids, probabilities that are negative, not finite or don't sum to 1.
    """
    if not members:
        raise StoreError(
            "no complete member", "at least one member with all its folds", "train all folds of a member first"
        )
    oof = [_join_folds(info.name, folds, runs) for info, runs in members.items()]
    stack = OOFStack(tuple(members), np.stack(oof), take_rows(folds, folds.scored))
    held_out = take_rows(folds, folds.fold == HOLDOUT)
    if not len(held_out.ids):
        return stack, None
    means = [
        np.mean([_aligned(info.name, held_out.ids, run.holdout_ids, run.holdout_probabilities) for run in runs], axis=0)
        for info, runs in members.items()
    ]
    return stack, OOFStack(tuple(members), np.stack(means), held_out)


def _join_folds(name: str, folds: Folds, runs: Sequence[FoldPredictions]) -> Floats:
    for run in runs:
        if (run.key.data_digest, run.key.fold_digest) != (folds.data_digest, folds.digest):
            raise StoreError(
                f"member {name}, fold {run.key.fold}: {_told(run.key.data_digest, run.key.fold_digest)}",
                f"{_told(folds.data_digest, folds.digest)}, as the other members",
                "blend members of the same data and folds",
            )
    given = sorted(run.key.fold for run in runs)
    if given != list(range(folds.k)):
        raise StoreError(
            f"member {name}: folds {given}", f"each of {list(range(folds.k))} once", "train the missing folds"
        )
    joined = np.full((len(folds.ids), len(Outcome)), np.nan)
    for run in runs:
        rows = folds.fold == run.key.fold
        joined[rows] = _aligned(f"{name}, fold {run.key.fold}", folds.ids[rows], run.ids, run.probabilities)
    return joined[folds.scored]


def _aligned(name: str, ids: Strings, given: Strings, probabilities: Floats) -> Floats:
    """Return probabilities in the order of `ids`, after checking them."""
    place = {id_: row for row, id_ in enumerate(given)}
    missing = [id_ for id_ in ids if id_ not in place]
    if missing or len(given) != len(ids):
        raise StoreError(
            f"member {name}: {len(given)} predictions, {len(given) - len(place)} ids doubled, "
            f"{len(missing)} of {len(ids)} missing (first: {', '.join(map(str, missing[:3])) or 'none'})",
            "each id of the fold exactly once",
            "delete the fold run and train it again",
        )
    off = ~np.isfinite(probabilities).all(axis=1) | (probabilities < 0).any(axis=1)
    off |= ~(np.abs(probabilities.sum(axis=1) - 1.0) <= TOLERANCE)
    if off.any():
        row = int(np.argmax(off))
        raise StoreError(
            f"member {name}: {int(off.sum())} rows such as id {given[row]}: {probabilities[row].tolist()}",
            f"finite, non-negative probabilities that sum to 1 within {TOLERANCE:g}",
            "delete the fold run and train it again",
        )
    ordered: Floats = probabilities[[place[id_] for id_ in ids]].astype(np.float64)
    return ordered


def _told(data_digest: str, fold_digest: str) -> str:
    return f"data {short(data_digest)}, folds {short(fold_digest)}"
