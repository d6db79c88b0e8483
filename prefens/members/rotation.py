"""Sparse features in the coordinates of their own rows: the same linear fits with fewer weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from prefens.core.symmetric_logistic import Matrix
from prefens.core.types import Floats

MAX_ROWS = 3000  # an eigendecomposition of this size takes seconds


@dataclass(frozen=True, eq=False)
class RotatedFeatures:
    """Features of n rows in r coordinates.

    Attributes
    ----------
    rows : matrix, shape (n, r)
        The rotated features, or the original ones where nothing was rotated.
    basis : sparse matrix, shape (n, p), or None
        The original features.
    inverse : float64 array, shape (n, r), or None
        Weights of the rotated features times it are coefficients of the rows of `basis`.
    """

    rows: Matrix
    basis: Matrix | None = None
    inverse: Floats | None = None

    def back(self, weights: Floats) -> Floats:
        """Return (p,) weights of the original features with the predictions and the norm of (r,) `weights`."""
        if self.basis is None or self.inverse is None:
            return weights
        original: Floats = self.basis.T @ (self.inverse @ weights)
        return original


def rotate(features: Matrix) -> RotatedFeatures:
    """Turn sparse (n, p) features with more columns than rows into dense (n, r) ones, r <= n.

    An L2-penalized linear model has its solution in the span of the rows (the representer theorem), so fits on these
    rows, or on some of them, are the same, at n instead of p weights. Dense features, and those with more than MAX_ROWS
    rows, are returned as they are.
    """
    if not sparse.issparse(features) or features.shape[0] > MAX_ROWS or features.shape[0] >= features.shape[1]:
        return RotatedFeatures(features)
    values, vectors = np.linalg.eigh((features @ features.T).toarray().astype(np.float64))
    positive = values > 1e-9 * max(values[-1], 1e-300)
    root = np.sqrt(values[positive])
    return RotatedFeatures(vectors[:, positive] * root, features, vectors[:, positive] / root)
