"""Gradient-boosted trees as plain arrays: taken from scikit-learn, which fits them, and read without running anything.

A saved scikit-learn estimator names the Python objects that it is made of, and loading it calls them. Arrays name
nothing, and `load` checks that they are trees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from prefens.core.errors import StoreError
from prefens.core.tensors import read_arrays, refusal
from prefens.core.types import Floats, Outcome

BLOCK_ROWS = 4096  # rows at a time: a block's columns stay in the processor's cache
DTYPES = {
    "feature": np.int64, "threshold": np.float64, "missing_left": np.bool_, "left": np.int64, "right": np.int64,
    "is_leaf": np.bool_, "value": np.float64, "offsets": np.int64, "baseline": np.float64, "classes": np.int64,
    "n_features": np.int64,
}  # fmt: skip
OF_NODES = ("feature", "threshold", "missing_left", "left", "right", "is_leaf", "value")


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """The trees of a fitted booster, one after another in arrays of m nodes; a tree's first node is its root.

    Attributes
    ----------
    feature : array of int64, shape (m,)
        The column that an inner node compares.
    threshold : array of float64, shape (m,)
        Rows with at most this value go left; may be infinite.
    missing_left : array of bool, shape (m,)
        Whether NaN goes left too.
    left, right : array of int64, shape (m,)
        An inner node's children, counted from its tree's root; zero at leaves.
    is_leaf : array of bool, shape (m,)
        Whether a node has a value instead of children.
    value : array of float64, shape (m,)
        What a leaf adds to a raw prediction (a log probability, or a log odds where c = 2).
    offsets : array of int64, shape (r * k + 1,)
        Where each tree begins, and m. Each of r iterations has k trees: one, or one a class where c > 2.
    baseline : array of float64, shape (k,)
        The raw prediction before the first tree.
    classes : array of int64, shape (c,)
        The outcomes of the training rows, ascending.
    n_features : array of int64, shape (1,)
        The number of columns that are predicted from.
    """

    feature: NDArray[np.int64]
    threshold: Floats
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    is_leaf: NDArray[np.bool_]
    value: Floats
    offsets: NDArray[np.int64]
    baseline: Floats
    classes: NDArray[np.int64]
    n_features: NDArray[np.int64]

    @staticmethod
    def from_sklearn(booster: Any) -> BoostedTrees:
        """Return the trees of a fitted HistGradientBoostingClassifier whose features are all numbers."""
        trees = [tree.nodes for iteration in booster._predictors for tree in iteration]
        nodes = np.concatenate(trees)
        if nodes["is_categorical"].any():
            raise ValueError("a split on categories: a threshold can't stand for it")
        arrays = {
            "feature": nodes["feature_idx"],
            "threshold": nodes["num_threshold"],
            "missing_left": nodes["missing_go_to_left"],
            "offsets": np.cumsum([0, *map(len, trees)]),
            "baseline": booster._baseline_prediction.ravel(),
            "classes": booster.classes_,
            "n_features": [booster.n_features_in_],
            **{name: nodes[name] for name in ("left", "right", "is_leaf", "value")},
        }
        return BoostedTrees(**{name: np.array(array, DTYPES[name]) for name, array in arrays.items()})

    def predict_proba(self, inputs: Floats) -> Floats:
        """Return (n, c) probabilities of (n, p) inputs, which may be NaN: the bits that scikit-learn returns.

        Raises
        ------
        StoreError
            The inputs have other columns than those of the training.
        """
        if inputs.shape[1] != self.n_features[0]:
            expected = f"the {self.n_features[0]} of the boosted trees"
            raise StoreError(f"{inputs.shape[1]} features", expected, "train the member again")
        if len(self.classes) == 1:
            return np.ones((len(inputs), 1))
        trees = list(self._inner_nodes())
        raw = np.repeat(self.baseline[:, None], len(inputs), axis=1)
        for first in range(0, len(inputs), BLOCK_ROWS):
            rows = slice(first, first + BLOCK_ROWS)
            columns = np.ascontiguousarray(inputs[rows].T, np.float64)
            for number, (values, inner) in enumerate(trees):
                raw[number % len(raw), rows] += _leaf_values(values, inner, columns)
        if len(raw) == 1:
            positive = expit(raw[0])
            return np.column_stack([1 - positive, positive])
        probabilities: Floats = softmax(raw.T, axis=1)
        return probabilities

    def _inner_nodes(self) -> Iterator[tuple[list[float], list[tuple[Any, ...]]]]:
        """Yield each tree's values, and its inner nodes (number, feature, threshold, ...), children first."""
        for start, end in pairwise(self.offsets.tolist()):
            inner = np.flatnonzero(~self.is_leaf[start:end])[::-1]
            nodes = inner + start
            parts = self.feature, self.threshold, self.missing_left, self.left, self.right
            columns = (part[nodes].tolist() for part in parts)
            yield self.value[start:end].tolist(), list(zip(inner.tolist(), *columns, strict=True))

    def save(self, path: Path) -> None:
        """Write the arrays as safetensors."""
        from safetensors.numpy import save_file

        save_file({item.name: getattr(self, item.name) for item in fields(self)}, path)

    @staticmethod
    def load(path: Path) -> BoostedTrees:
        """Read what `save` wrote, whoever wrote it: a traversal of what is returned ends and stays in its arrays.

        Raises
        ------
        StoreError
            The file is missing or damaged, or its arrays are not trees.
        """
        expected = {name: (dtype, (None,)) for name, dtype in DTYPES.items()}
        trees = BoostedTrees(**read_arrays(path, expected, infinite=True))
        for came, wanted in trees._faults():
            raise refusal(path, came, wanted)
        return trees

    def _faults(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong and what trees have, in an order in which each check needs those before it."""
        classes, ends, n_nodes, inner = self.classes, self.offsets, len(self.feature), ~self.is_leaf
        lengths = {name: len(getattr(self, name)) for name in OF_NODES}
        if set(lengths.values()) != {n_nodes}:
            yield f"arrays of nodes of the lengths {lengths}", "equal lengths"
        if len(self.n_features) != 1:
            yield f"{len(self.n_features)} numbers of features", "one"
        if not len(classes) or not np.isin(classes, list(Outcome)).all() or (np.diff(classes) <= 0).any():
            yield f"{len(classes)} classes that are no outcomes", f"some of {list(map(int, Outcome))}, ascending"
        if len(self.baseline) != (len(classes) if len(classes) > 2 else 1):
            yield (
                f"{len(self.baseline)} baselines of {len(classes)} classes",
                "one a class, or one for fewer than three",
            )
        if len(ends) < 2 or ends[0] != 0 or ends[-1] != n_nodes or (ends[1:] <= ends[:-1]).any():
            yield "offsets that are not the trees' beginnings", f"ascending numbers from 0 to {n_nodes}"
        if (len(ends) - 1) % len(self.baseline):
            yield f"{len(ends) - 1} trees", f"{len(self.baseline)} in each iteration"
        if not np.isfinite(self.value).all() or not np.isfinite(self.baseline).all() or np.isnan(self.threshold).any():
            yield "a value, baseline or threshold that is no number", "finite values and baselines, thresholds"
        if ((self.feature < 0) | (self.feature >= self.n_features))[inner].any():
            yield "a feature that does not exist", f"features below {self.n_features[0]}"
        for tree, (start, end) in enumerate(pairwise(ends.tolist())):
            parents = np.flatnonzero(inner[start:end])
            children = np.stack([side[start:end][parents] for side in (self.left, self.right)])
            once = np.array_equal(np.sort(children, axis=None), np.arange(1, end - start))
            if not once or (children <= parents).any():
                yield f"tree {tree} with other children", "each node but the first once, after its parent"


def _leaf_values(values: list[float], inner: list[tuple[Any, ...]], columns: Floats) -> Floats | float:
    """Return the value of the leaf that each of n rows falls into; `columns` is (p, n).

    From the last inner node to the first, a node takes each row's value from the child that the row goes to. With
    few leaves that is faster than following each row, and what a node holds goes with its parent.
    """
    at: dict[int, Floats | float] = dict(enumerate(values))
    for node, feature, threshold, missing_left, left, right in inner:
        column = columns[feature]
        goes_left = ~(column > threshold) if missing_left else column <= threshold  # NaN compares as false
        at[node] = np.where(goes_left, at.pop(left), at.pop(right))
    return at[0]
