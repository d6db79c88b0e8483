"""Which models were compared, and how often each won: what ratings are fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from prefens.core.errors import DataError, counted
from prefens.core.types import Floats, Ints, Outcome, Pairs, Strings

NO_NAME, SAME = "a model has no name", "a model met itself"
UNCONNECTED = "it won all, lost all, or met none of the others"


@dataclass(frozen=True, eq=False)
class Comparisons:
    """n comparisons of M models.

    Attributes
    ----------
    models : tuple of str
        The names of the M models, in their order.
    a, b : array of int64, shape (n,)
        The models whose responses are A and B, in [0, M); never the same.
    target : array of float64, shape (n, 3)
        The shares of A wins, B wins and tie: one-hot for votes, probabilities for predictions.
    group : array of str, shape (n,)
        The prompt group.
    style : array of float64, shape (n, p)
        Differences in style, which change sign when A and B change places; p = 0 without style control.
    style_names : tuple of str
        The names of the p differences.
    """

    models: tuple[str, ...]
    a: Ints
    b: Ints
    target: Floats
    group: Strings
    style: Floats
    style_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.a)

    @property
    def design(self) -> sparse.csr_array:
        """The (n, M + p) matrix whose product with strengths and style effects is the log odds of A over B."""
        rows = np.arange(len(self))
        ones, shape = np.ones(len(self)), (len(self), len(self.models))
        strengths = sparse.csr_array((ones, (rows, self.a)), shape) - sparse.csr_array((ones, (rows, self.b)), shape)
        return sparse.csr_array(sparse.hstack([strengths, sparse.csr_array(self.style)]))


@dataclass(frozen=True, eq=False)
class Votes:
    """The comparisons that the votes allow to rate, and what they leave out.

    Attributes
    ----------
    comparisons : Comparisons
        The votes, with style.
    rows : array of int64, shape (n,)
        Where they are in the pairs.
    left_out : mapping of str to str
        From a model that has no finite rating to the reason.
    skipped : mapping of str to int
        From a reason to the number of pairs that count for nothing.
    """

    comparisons: Comparisons
    rows: Ints
    left_out: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)


def make_comparisons(pairs: Pairs, group: Strings, style: Floats, style_names: tuple[str, ...]) -> Votes:
    """Return the votes on pairs as comparisons of their models.

    Models are rated that beat one another, over other models or directly (Ford, Solution of a ranking problem from
    binary comparisons, Amer. Math. Monthly 64, 1957): for all others the most likely rating is infinite, or any.
    A style difference is divided by its root mean square: it has no mean to subtract, since A and B may change places.

    Parameters
    ----------
    pairs : Pairs
        Labelled pairs with model_a and model_b, n of them.
    group : array of str, shape (n,)
        Their prompt groups.
    style : array, shape (n, p)
        Differences in style, which change sign when A and B change places.
    style_names : tuple of str
        The names of the p differences.

    Raises
    ------
    DataError
        Where the pairs don't name their models, or where fewer than two can be rated.
    """
    if pairs.model_a is None or pairs.model_b is None:
        raise DataError("pairs without model_a and model_b", "the models that wrote the responses", "add the columns")
    names_a, names_b = pairs.model_a.astype(str), pairs.model_b.astype(str)
    unnamed, same = (names_a == "") | (names_b == ""), names_a == names_b
    rows = np.flatnonzero(~unnamed & ~same)
    target = np.zeros((len(rows), len(Outcome)))
    target[np.arange(len(rows)), pairs.labels[rows]] = 1.0
    models, index = np.unique(np.concatenate([names_a[rows], names_b[rows]]), return_inverse=True)
    a, b = np.split(index.astype(np.int64), 2)
    rated = _connected(len(models), a, b, target)
    if rated.sum() < 2:
        came = f"{counted(len(models), 'model')} in {counted(len(rows), 'pair')}, of which none beat each other"
        raise DataError(came, "2 or more models, each of which beat or tied with another", "rate more votes")
    keep = rated[a] & rated[b]
    position = np.cumsum(rated) - 1
    scale = np.sqrt((style[rows[keep]] ** 2).mean(axis=0))
    varies = scale > 0
    comparisons = Comparisons(
        tuple(models[rated].tolist()),
        position[a[keep]],
        position[b[keep]],
        target[keep],
        group[rows[keep]],
        style[rows[keep]][:, varies] / scale[varies],
        tuple(name for name, used in zip(style_names, varies, strict=True) if used),
    )
    skipped = {NO_NAME: int(unnamed.sum()), SAME: int((same & ~unnamed).sum()), UNCONNECTED: int((~keep).sum())}
    left_out = {str(name): UNCONNECTED for name in models[~rated]}
    return Votes(comparisons, rows[keep], left_out, {reason: count for reason, count in skipped.items() if count})


def _connected(models: int, a: Ints, b: Ints, target: Floats) -> Ints:
    """Return whether each model is in the largest set whose members all beat one another, (M,) of bool."""
    half = target[:, Outcome.TIE] / 2.0
    wins = np.concatenate([target[:, Outcome.A_WINS] + half, target[:, Outcome.B_WINS] + half])
    beats = sparse.csr_array((wins, (np.concatenate([b, a]), np.concatenate([a, b]))), (models, models))
    beats.eliminate_zeros()
    _, component = connected_components(beats, connection="strong")
    largest: Ints = component == np.bincount(component, minlength=1).argmax()
    return largest
