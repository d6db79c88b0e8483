"""Sparse features in the coordinates of their own rows: the same linear fits with fewer weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from prefens.core.symmetric_logistic import Matrix
from prefens.core.types import Floats

MOST_ROWS = 3000  # an eigendecomposition of this size takes seconds


@dataclass(frozen=True, eq=False)
class Rotated:
    """Features in the coordinates of their own rows, (n, r); `back` maps (r,) weights to those of the features."""

    rows: Matrix
    basis: Matrix | None = None
    inverse: Floats | None = None

    def back(self, weights: Floats) -> Floats:
        """Return the weights of the original features that give the same predictions, with the same norm."""
        if self.basis is None or self.inverse is None:
            return weights
        original: Floats = self.basis.T @ (self.inverse @ weights)
        return original


def rotate(features: Matrix) -> Rotated:
    """Turn sparse (n, p) features with more columns than rows into dense (n, r) ones, r <= n.

    An L2-penalised linear model has its solution in the span of the rows (the representer theorem), so fits on
    these rows, or on some of them, are the same, at n instead of p weights. Large data is returned as it is.
    """
    if not sparse.issparse(features) or features.shape[0] > MOST_ROWS or features.shape[0] >= features.shape[1]:
        return Rotated(features)
    values, vectors = np.linalg.eigh((features @ features.T).toarray().astype(np.float64))
    kept = values > 1e-9 * max(values[-1], 1e-300)
    root = np.sqrt(values[kept])
    return Rotated(vectors[:, kept] * root, features, vectors[:, kept] / root)
