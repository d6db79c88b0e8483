"""Fits in the coordinates of the rows are those of the features."""

import numpy as np
from scipy import sparse

from prefens.core.symmetric_logistic import fit_lbfgs
from prefens.core.teaching import Targets
from prefens.members.rotation import rotate


def test_rotated_features_give_the_same_fit(generator: np.random.Generator) -> None:
    dense = generator.normal(size=(60, 400)) * (generator.random((60, 400)) < 0.1)
    odd, even = sparse.csr_matrix(dense), sparse.csr_matrix(np.abs(dense[:, :100]))
    label = generator.integers(0, 3, size=60).astype(np.int8)
    rotated_odd, rotated_even = rotate(odd), rotate(even)
    rows = np.arange(40)  # a part of the rows lies in the same span
    targets = Targets.of_votes(label[rows], 3)
    plain = fit_lbfgs(odd[rows], even[rows], targets, 0.5, tolerance=1e-9)
    rotated = fit_lbfgs(rotated_odd.rows[rows], rotated_even.rows[rows], targets, 0.5, tolerance=1e-9)
    np.testing.assert_allclose(rotated_odd.back(rotated.odd), plain.odd, atol=1e-5)
    np.testing.assert_allclose(rotated_even.back(rotated.even), plain.even, atol=1e-5)
