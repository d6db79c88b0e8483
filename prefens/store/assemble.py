"""The stack of comparable members: joined by id, and refused by the name of the member that does not fit."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from prefens.core.errors import StoreError, counted
from prefens.core.fold_run import FoldPredictions
from prefens.core.hashing import short
from prefens.core.types import TOLERANCE, Floats, Folds, MemberInfo, OOFStack, Strings

log = logging.getLogger(__name__)

RETRAIN = "delete the fold run and train it again"


def make_stack(
    folds: Folds, members: Mapping[MemberInfo, Sequence[FoldPredictions]], keep: NDArray[np.bool_] | None = None
) -> tuple[OOFStack, OOFStack | None]:
    """Join the fold runs of each member into the OOF stack, and into the hold-out stack where rows are held out.

    The hold-out prediction of a member is the mean of its fold models' probabilities. An external member may have
    none: then there is no hold-out stack, and a warning.

    Parameters
    ----------
    folds : Folds
        The assignment that all members share.
    members : mapping of MemberInfo to sequence of FoldPredictions
        The fold runs of each member.
    keep : array of bool, shape (n,), or None
        The rows to stack, None for all; members may have more rows of `folds`.

    Returns
    -------
    OOFStack
        The rows that folds predict.
    OOFStack or None
        The held-out rows.

    Raises
    ------
    StoreError
        Where a member has another data or fold digest, a missing or repeated fold, missing, unknown or repeated ids, or
        probabilities that are negative, not finite or don't sum to 1. The member is named.
    """
    if not members:
        raise StoreError(
            "no complete member", "at least one member with all its folds", "train all folds of a member first"
        )
    keep = np.ones(len(folds.ids), dtype=bool) if keep is None else keep
    oof = [_join_folds(info, folds, runs, keep) for info, runs in members.items()]
    held_out, expected_ids, means = ~folds.scored & keep, folds.ids[~folds.scored], []
    without = [info.name for info, runs in members.items() if is_external(info) and not len(runs[0].holdout_ids)]
    if held_out.any() and without:
        log.warning("no hold-out score: no predictions of the held-out rows by %s", ", ".join(without))
    held_out_ids = folds.n_outcomes, folds.ids[held_out], expected_ids
    for info, runs in members.items() if held_out.any() and not without else ():
        parts = [(run.holdout_ids, run.holdout_probabilities) for run in runs]
        means.append(np.mean([_aligned(info, *held_out_ids, *part) for part in parts], axis=0))
    stack = OOFStack(tuple(members), np.stack(oof), folds.rows(folds.scored & keep))
    return stack, OOFStack(tuple(members), np.stack(means), folds.rows(held_out)) if means else None


def common_rows(folds: Folds, members: Mapping[MemberInfo, Sequence[FoldPredictions]]) -> NDArray[np.bool_]:
    """Return which rows every member has, (n,); a member without any held-out row is ignored on held-out rows.

    Raises
    ------
    StoreError
        Where a fold would be left without rows.
    """
    keep = np.ones(len(folds.ids), dtype=bool)
    for runs in members.values():
        ids = {id_ for run in runs for id_ in (*run.ids, *run.holdout_ids)}
        predicted = np.array([id_ in ids for id_ in folds.ids])
        keep &= predicted | (~folds.scored & ~(predicted & ~folds.scored).any())
    empty = sorted(set(range(folds.k)) - set(folds.fold[keep].tolist()))
    if empty:
        raise StoreError(
            f"no row of folds {empty} that all of {', '.join(info.name for info in members)} have",
            "common rows in every fold",
            "leave a member out",
        )
    scored = folds.scored
    log.info("blending on %d of %d rows: those that every member has", (keep & scored).sum(), scored.sum())
    if not scored.all():
        log.info("scoring on %d of %d held-out rows", (keep & ~scored).sum(), (~scored).sum())
    return keep


def check_rows(info: MemberInfo, folds: Folds, run: FoldPredictions, ids: Strings) -> None:
    """Check that a run predicts the rows `ids`, in their order; StoreError where it does not, as in `make_stack`."""
    if not np.array_equal(run.ids, ids):
        raise StoreError(f"member {info.name}: predictions of {len(run.ids)} other rows", f"{len(ids)} rows", RETRAIN)
    _aligned(info, folds.n_outcomes, ids, ids, run.ids, run.probabilities, run.key.fold)


def is_external(info: MemberInfo) -> bool:
    """Whether another program made the member's probabilities."""
    return info.backbone is None


def _join_folds(info: MemberInfo, folds: Folds, runs: Sequence[FoldPredictions], keep: NDArray[np.bool_]) -> Floats:
    for run in runs:
        if (run.key.data_digest, run.key.fold_digest) != (folds.data_digest, folds.digest):
            raise StoreError(
                f"member {info.name}, fold {run.key.fold}: {_digests(run.key.data_digest, run.key.fold_digest)}",
                f"{_digests(folds.data_digest, folds.digest)}, as the other members",
                "blend members of the same data and folds",
            )
    run_folds = sorted(run.key.fold for run in runs)
    if run_folds != list(range(folds.k)):
        raise StoreError(
            f"member {info.name}: folds {run_folds}", f"each of {list(range(folds.k))} once", "train the missing folds"
        )
    joined = np.full((len(folds.ids), folds.n_outcomes), np.nan)
    for run in runs:
        rows = folds.fold == run.key.fold
        ids, expected_ids = folds.ids[rows & keep], folds.ids[rows]
        joined[rows & keep] = _aligned(
            info, folds.n_outcomes, ids, expected_ids, run.ids, run.probabilities, run.key.fold
        )
    return joined[folds.scored & keep]


def _aligned(
    info: MemberInfo,
    n_outcomes: int,
    ids: Strings,
    expected: Strings,
    own: Strings,
    probabilities: Floats,
    fold: int | None = None,
) -> Floats:
    """Return checked probabilities of the rows `own` in the order of `ids`; other ids of `expected` are left out."""
    name = f"member {info.name}, " + ("the hold-out" if fold is None else f"fold {fold}")
    do = "correct its file and import it again" if is_external(info) else RETRAIN
    if probabilities.shape[1] != n_outcomes:
        raise StoreError(f"{name}: {probabilities.shape[1]} outcomes", f"{n_outcomes}, those of the data", do)
    in_order = np.array_equal(own, ids)  # as they come from the store: no need to look each one up
    position = {} if in_order else {id_: row for row, id_ in enumerate(own)}
    missing = [] if in_order else [id_ for id_ in ids if id_ not in position]
    repeated, unknown = (0, 0) if in_order else (len(own) - len(position), len(position.keys() - {*expected}))
    if missing or repeated or unknown:
        raise StoreError(
            f"{name}: {counted(len(own), 'prediction')}, {counted(repeated, 'id')} repeated, {unknown} unknown, "
            f"{len(missing)} of {len(ids)} missing (first: {', '.join(map(str, missing[:3])) or 'none'})",
            "each id of the fold exactly once",
            do,
        )
    off = ~np.isfinite(probabilities).all(axis=1) | (probabilities < 0).any(axis=1)
    off |= ~(np.abs(probabilities.sum(axis=1) - 1.0) <= TOLERANCE)
    if off.any():
        row = int(np.argmax(off))
        raise StoreError(
            f"{name}: {counted(int(off.sum()), 'row')} such as id {own[row]}: {probabilities[row].tolist()}",
            f"finite, non-negative probabilities that sum to 1 within {TOLERANCE:g}",
            do,
        )
    ordered: Floats = probabilities if in_order else probabilities[[position[id_] for id_ in ids]]
    return ordered.astype(np.float64, copy=False)


def _digests(data_digest: str, fold_digest: str) -> str:
    return f"data {short(data_digest)}, folds {short(fold_digest)}"
