"""Blending from Python: the members' arrays and labels in; weights, an honest score and predictions out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prefens.core.errors import ConfigError, DataError, counted
from prefens.core.hashing import digest
from prefens.core.types import TOLERANCE, Floats, MemberInfo, OOFStack, Outcome, Strings, outcome_names, outcomes
from prefens.data.folds import FoldSettings, LabelledRows, split_rows
from prefens.ensemble.base import Blender
from prefens.ensemble.calibration import Calibration
from prefens.ensemble.crossfit import cross_fit, fit_all, score_method
from prefens.ensemble.leaderboard import named_weights
from prefens.ensemble.registry import calibration
from prefens.ensemble.registry import method as method_class


@dataclass(frozen=True, eq=False)
class ArrayBlend:
    """A fitted blend of members that were given as arrays.

    Attributes
    ----------
    weights : dict of str to float, or None
        From a member to its weight, fitted on all rows; None for methods without weights on the simplex.
    honest : float
        Cross-fitted log loss in nats.
    honest_se : float
        Standard error of `honest` in nats, clustered by group.
    fitted : float
        Log loss in nats on the rows that were fitted on, which flatters the blend.
    predictions : ndarray of shape (n, K)
        The cross-fitted predictions behind `honest`.
    folds : ndarray of shape (n,)
        Fold of each row, in [0, k).
    members : tuple of str
        Names of the members.
    blender : Blender
        The method, fitted on all rows.
    """

    weights: Mapping[str, float] | None
    honest: float
    honest_se: float
    fitted: float
    predictions: Floats
    folds: NDArray[np.int8]
    members: tuple[str, ...]
    blender: Blender

    def predict(self, members: Mapping[str, ArrayLike]) -> Floats:
        """Blend the members' probabilities of other rows, such as test rows.

        Parameters
        ----------
        members : dict of str to array of shape (m, K)
            From a member to its probabilities. Members whose probabilities change nothing may be left out.

        Returns
        -------
        ndarray of shape (m, K)
            Probabilities; each row sums to 1.

        Raises
        ------
        DataError
            If members are missing or unknown, or if an array is no array of probabilities.
        """
        used = {name for name, is_used in zip(self.members, self.blender.used, strict=True) if is_used}
        missing, unknown = sorted(used - {*members}), sorted({*members} - {*self.members})
        if missing or unknown:
            raise DataError(
                f"members missing: {', '.join(missing) or 'none'}, unknown: {', '.join(unknown) or 'none'}",
                f"the members of the blend: {', '.join(self.members)}",
                "give an array for each of them",
            )
        arrays = dict(zip(members, _stack(members), strict=True))
        first = next(iter(arrays.values()))
        uniform = np.full_like(first, 1.0 / first.shape[1])
        return self.blender.predict(np.stack([arrays.get(name, uniform) for name in self.members]))


def blend_arrays(
    members: Mapping[str, ArrayLike],
    labels: ArrayLike,
    groups: Iterable[object] | None = None,
    method: str | Blender = "log_loss",
    k: int = 5,
    seed: int = 0,
) -> ArrayBlend:
    """Blend out-of-fold or hold-out probabilities, and score the blend honestly.

    What predicts fold k was fitted without fold k's rows. The folds are those that `python -m prefens.blend` makes of
    a file of labels whose ids are the row numbers, padded with zeros to the same length.

    Parameters
    ----------
    members : dict of str to array of shape (n, K)
        From a member to its probabilities, columns in the order A wins, B wins, tie; without ties, of the first two.
    labels : array of shape (n,)
        The outcomes: 0 A wins, 1 B wins, 2 tie.
    groups : iterable of n values, or None
        Equal values for rows that share a prompt; these stay in one fold. None: each row is a group of its own.
    method : str or Blender
        Name of a method, followed by + and a calibration if wanted ("log_loss", "soft_vote+temperature"); or a blender
        with settings of its own, such as LogLossWeights(shrinkage=[0.0, 0.1]).
    k : int from 2 to 100
        Number of folds.
    seed : int
        Seed of the assignment of rows to folds.

    Raises
    ------
    DataError
        If the arrays differ in length, have other shapes, or hold anything but probabilities, outcomes and groups.
    ConfigError
        If the method is unknown, or if there are too few rows or groups for k folds.
    BlendError
        If the method can't be fitted.

    Examples
    --------
    >>> result = blend_arrays({"m1": p1, "m2": p2}, labels, groups=prompts)  # doctest: +SKIP
    >>> result.honest, result.weights  # doctest: +SKIP
    """
    probabilities = _stack(members)
    rows = _label_rows(labels, groups, *probabilities.shape[1:])
    folds = split_rows(rows, FoldSettings(k=k, seed=seed))
    infos = tuple(MemberInfo(str(name), None, None) for name in members)
    stack = OOFStack(infos, probabilities, folds)
    blender, kinds = _parse(method) if isinstance(method, str) else (method, [])
    *_, fitted = fit_all([blender], kinds, stack).values()  # with a calibration, the last is the calibrated form
    result = score_method(fitted, cross_fit([blender], stack, kinds)[fitted.name], stack)
    return ArrayBlend(
        weights=named_weights(stack, result),
        honest=result.honest,
        honest_se=result.honest_se,
        fitted=result.fitted,
        predictions=result.probabilities,
        folds=folds.fold,
        members=tuple(info.name for info in infos),
        blender=fitted,
    )


def _parse(method: str) -> tuple[Blender, list[type[Calibration]]]:
    """Return the blender and the calibration that "METHOD" or "METHOD+CALIBRATION" names."""
    base, _, kind = method.partition("+")
    blender = method_class(base)()
    if kind in blender.CONTAINS:
        raise ConfigError(f"method {method!r}", f"a calibration that {base} does not contain", f"use {base!r}")
    return blender, [calibration(kind)] if kind else []


def _stack(members: Mapping[str, ArrayLike]) -> Floats:
    """Return (M, n, K) probabilities after checking each member's array; K is that of the arrays."""
    if not members:
        raise DataError("no members", "an array for each of one or more", 'give {"m1": p1, "m2": p2}')
    arrays = {name: _check_probabilities(name, values) for name, values in members.items()}
    if len({len(array) for array in arrays.values()}) > 1:
        lengths = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise DataError(f"numbers of rows: {lengths}", "the same rows for each member", "join them by id first")
    if len({array.shape[1] for array in arrays.values()}) > 1:
        columns = ", ".join(f"{name} {array.shape[1]}" for name, array in arrays.items())
        raise DataError(f"numbers of outcomes: {columns}", "the same for each member", "leave out those without a tie")
    return np.stack([*arrays.values()])


def _check_probabilities(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] not in (2, 3):
        raise DataError(
            f"member {name}: an array of shape {array.shape}",
            f"(rows, {len(Outcome)}): {', '.join(outcome_names())}; or (rows, 2) without a tie",
            "give a row per pair and a column per outcome",
        )
    sums = array.sum(axis=1)
    wrong = np.flatnonzero(~((array >= 0).all(axis=1) & (np.abs(sums - 1.0) <= TOLERANCE)))  # NaN is wrong too
    if len(wrong):
        row = int(wrong[0])
        example = f"row {row}: {array[row].tolist()}, sum {sums[row]:.7g}"
        raise DataError(
            f"member {name}: {len(wrong)} of {len(array)} rows, such as {example}",
            f"finite probabilities, none negative, that sum to 1 within {TOLERANCE:g}",
            "divide rounded rows by their sum: p / p.sum(axis=1, keepdims=True)",
        )
    return array


def _label_rows(labels: ArrayLike, groups: Iterable[object] | None, n: int, n_outcomes: int) -> LabelledRows:
    """Return n labelled rows, whose ids sort as the rows do, after checking labels and groups."""
    label = np.asarray(labels)
    if label.shape != (n,):
        raise DataError(
            f"labels of shape {label.shape}",
            f"({n},): one for each row of the members",
            "give as many labels; for one-hot labels, labels.argmax(axis=1)",
        )
    wrong = np.flatnonzero(~np.isin(label, outcomes(n_outcomes)))
    if len(wrong):
        raise DataError(
            f"{len(wrong)} of {n} labels, such as {label[wrong[0]]} in row {wrong[0]}",
            "0 (A wins), 1 (B wins) or 2 (tie)" if n_outcomes == 3 else "0 (A wins) or 1 (B wins)",
            "correct them, or leave these rows out",
        )
    ids = np.array([f"{row:0{len(str(n))}d}" for row in range(n)], dtype=object)
    group = ids if groups is None else _check_groups([*groups], n)
    label = label.astype(np.int8)
    content = digest([label.tolist(), group.tolist()])
    return LabelledRows(ids, label, group, content, grouped=groups is not None, n_outcomes=n_outcomes)


def _check_groups(groups: Sequence[object], n: int) -> Strings:
    if len(groups) != n:
        raise DataError(counted(len(groups), "group"), f"{n}: one for each row of the members", "give as many groups")
    missing = [row for row, value in enumerate(groups) if value is None or value != value]
    if missing:
        raise DataError(
            f"{len(missing)} of {n} groups missing, such as that of row {missing[0]}",
            "equal values for rows that share a prompt",
            "give each row a group",
        )
    group = np.empty(n, dtype=object)
    group[:] = [str(value) for value in groups]
    return group
