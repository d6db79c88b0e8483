"""The symmetric regression equals ordinary multinomial regression on swap-augmented rows."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from prefens.core.types import SWAP
from prefens.members.symmetric_logistic import SymmetricLogistic, choose_strength, fit, rotate


@pytest.fixture
def data(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    odd, even = generator.normal(size=(300, 4)), generator.normal(size=(300, 3))
    margin = odd @ [1.0, -0.5, 0.2, 0.0] + generator.normal(size=300)
    tied = even[:, 0] + generator.normal(size=300) > 0.8
    return odd, even, np.where(tied, 2, np.where(margin > 0, 0, 1)).astype(np.int8)


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_equals_scikit_learn_on_augmented_rows(data: tuple[np.ndarray, ...], strength: float) -> None:
    odd, even, label = data
    ours = fit(odd, even, label, strength, tolerance=1e-9)
    both = np.concatenate([np.hstack([odd, even]), np.hstack([-odd, even])])
    theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(both, np.concatenate([label, SWAP[label]]))
    np.testing.assert_allclose(ours.predict_proba(odd, even), theirs.predict_proba(np.hstack([odd, even])), atol=1e-4)


def test_sparse_equals_dense(data: tuple[np.ndarray, ...]) -> None:
    odd, even, label = data
    odd = np.where(np.abs(odd) > 1.0, odd, 0.0)
    odd[:, 3] = 0.0  # a column that the fit never sees
    dense, thin = fit(odd, even, label, 0.3), fit(sparse.csr_matrix(odd), even, label, 0.3)
    np.testing.assert_allclose(dense.odd, thin.odd, atol=1e-4)
    assert thin.odd[3] == 0.0


def test_gradient_vanishes_at_the_solution(data: tuple[np.ndarray, ...]) -> None:
    odd, even, label = data
    model = fit(odd, even, label, 0.5, tolerance=1e-9)
    residual = model.predict_proba(odd, even) - np.eye(3)[label]
    slope = odd.T @ (residual[:, 0] - residual[:, 1]) + model.odd / 0.5
    assert np.abs(slope).max() < 1e-4


def test_strength_is_chosen_by_inner_folds(data: tuple[np.ndarray, ...], generator: np.random.Generator) -> None:
    odd, even, label = data
    inner = (np.arange(300) % 5).astype(np.int8)
    useful, loss = choose_strength(odd, even, label, inner, [1e-4, 0.1, 1.0])
    assert useful >= 0.1
    assert loss < 1.0
    assert choose_strength(odd, even, label, inner * 0, [1e-4, 0.1])[0] == 1e-4
    noise, _ = choose_strength(generator.normal(size=(300, 50)), even[:, :0], label, inner, [1e-4, 0.1, 1.0])
    assert noise == 1e-4


def test_saved_and_loaded(data: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    odd, even, label = data
    model = fit(odd, even, label, 1.0)
    model.save(tmp_path / "model.safetensors")
    again = SymmetricLogistic.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(odd, even), model.predict_proba(odd, even))


def test_rotated_features_give_the_same_fit(generator: np.random.Generator) -> None:
    dense = generator.normal(size=(60, 400)) * (generator.random((60, 400)) < 0.1)
    odd, even = sparse.csr_matrix(dense), sparse.csr_matrix(np.abs(dense[:, :100]))
    label = generator.integers(0, 3, size=60).astype(np.int8)
    turned = rotate(odd), rotate(even)
    rows = np.arange(40)  # a part of the rows lies in the same span
    plain = fit(odd[rows], even[rows], label[rows], 0.5, tolerance=1e-9)
    found = fit(turned[0].rows[rows], turned[1].rows[rows], label[rows], 0.5, tolerance=1e-9)
    np.testing.assert_allclose(turned[0].back(found.odd), plain.odd, atol=1e-5)
    np.testing.assert_allclose(turned[1].back(found.even), plain.even, atol=1e-5)
